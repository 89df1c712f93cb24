// SPDX-License-Identifier: Apache-2.0
// The whole public C++ API of skep.

#ifndef SKEP_SKEP_H_
#define SKEP_SKEP_H_

#include "skep/backend.h"
#include "skep/btf.h"
#include "skep/btf_builder.h"
#include "skep/core_relocation.h"
#include "skep/engine.h"
#include "skep/execution_context.h"
#include "skep/execution_hooks.h"
#include "skep/extern_info.h"
#include "skep/helper.h"
#include "skep/helper_control.h"
#include "skep/initial_value.h"
#include "skep/inner_map.h"
#include "skep/insn.h"
#include "skep/iterator.h"
#include "skep/link.h"
#include "skep/map.h"
#include "skep/map_batch.h"
#include "skep/map_file.h"
#include "skep/map_spec.h"
#include "skep/packet.h"
#include "skep/perf_buffer_reader.h"
#include "skep/program.h"
#include "skep/program_class.h"
#include "skep/program_table.h"
#include "skep/program_type.h"
#include "skep/result.h"
#include "skep/ring_buffer_reader.h"
#include "skep/runtime.h"
#include "skep/struct_ops.h"
#include "skep/test_run.h"
#include "skep/typed_maps.h"
#include "skep/typed_queues.h"
#include "skep/user_ring_buffer_writer.h"
#include "skep/verify.h"

#endif  // SKEP_SKEP_H_
