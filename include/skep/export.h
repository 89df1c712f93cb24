// SPDX-License-Identifier: Apache-2.0
//
// SKEP_EXPORT marks what users of the library may link to. Everything else is
// built with hidden visibility: it is not a symbol of libskep.so.

#ifndef SKEP_EXPORT_H_
#define SKEP_EXPORT_H_

#define SKEP_EXPORT __attribute__((visibility("default")))

#endif  // SKEP_EXPORT_H_
