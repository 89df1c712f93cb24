// SPDX-License-Identifier: Apache-2.0
// Files and folders of them, as command lines name them.

#ifndef SKEP_TOOLS_FIND_FILES_H_
#define SKEP_TOOLS_FIND_FILES_H_

#include <string>
#include <string_view>
#include <vector>

#include "skep/result.h"

namespace skep::tools {

// Files as given; of folders, however deep, those with one of the extensions
// (".o"), in order of their names. Fails if a folder cannot be read or has none.
Result<std::vector<std::string>> FindFiles(const std::vector<std::string>& paths,
                                           const std::vector<std::string_view>& extensions);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_FIND_FILES_H_
