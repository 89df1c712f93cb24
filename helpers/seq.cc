// SPDX-License-Identifier: Apache-2.0
// seq_printf, seq_write and seq_printf_btf: what iterator programs print
// (RunIterator). The only seq_file there is is that of the run.
#include <cerrno>
#include <vector>

#include "helpers/format.h"
#include "helpers/functions.h"
#include "helpers/print_arguments.h"
#include "helpers/registers.h"
#include "model/execution_layout.h"
#include "model/seq_buffer.h"

namespace skep::helpers {
namespace {

model::SeqBuffer* SeqOf(uint64_t pointer, ExecutionContext& context) {
  model::SeqBuffer* const seq = model::ExecutionLayout::extras(context).seq;
  return reinterpret_cast<uint64_t>(seq) == pointer ? seq : nullptr;
}

uint64_t Result(const model::SeqBuffer& seq) {
  return seq.overflowed() ? FromResult(-EOVERFLOW) : 0;
}

}  // namespace

uint64_t SeqPrintf(uint64_t file, uint64_t format, uint64_t format_size, uint64_t data,
                   uint64_t data_size, ExecutionContext& context) noexcept {
  PrintArguments arguments;
  model::SeqBuffer* const seq = SeqOf(file, context);
  std::string_view text;
  if (seq == nullptr || !arguments.Read(data, data_size) ||
      !FormatOf(reinterpret_cast<const char*>(format), static_cast<uint32_t>(format_size), &text)) {
    return FromResult(-EINVAL);
  }
  const int length = FormatText(seq->rest(), text, arguments.all());
  if (length < 0) return FromResult(length);
  seq->Advance(static_cast<size_t>(length));
  return Result(*seq);
}

uint64_t SeqWrite(uint64_t file, uint64_t data, uint64_t size, uint64_t, uint64_t,
                  ExecutionContext& context) noexcept {
  model::SeqBuffer* const seq = SeqOf(file, context);
  if (seq == nullptr) return FromResult(-EINVAL);
  seq->Write({reinterpret_cast<const char*>(data), static_cast<uint32_t>(size)});
  return Result(*seq);
}

uint64_t SeqPrintfBtf(uint64_t file, uint64_t pointer, uint64_t pointer_size, uint64_t flags,
                      uint64_t, ExecutionContext& context) noexcept {
  model::SeqBuffer* const seq = SeqOf(file, context);
  if (seq == nullptr) return FromResult(-EINVAL);
  const auto rest = std::as_writable_bytes(seq->rest());
  const uint64_t length =
      SnprintfBtf(FromAddress(rest.data()), rest.size(), pointer, pointer_size, flags, context);
  if (static_cast<int64_t>(length) < 0) return length;
  seq->Advance(length);
  return Result(*seq);
}

}  // namespace skep::helpers
