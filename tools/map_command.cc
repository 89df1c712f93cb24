// SPDX-License-Identifier: Apache-2.0
// skep map: the elements of maps in files, which other processes may have open.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "skep/map_file.h"
#include "skep/runtime.h"

#include "model/map_type_info.h"
#include "tools/command.h"
#include "tools/input.h"
#include "tools/map_dump.h"
#include "tools/output.h"
#include "vm/test_file.h"

namespace skep::tools {
namespace {

using Bytes = std::vector<std::byte>;

struct MapOptions {
  std::string file;
  std::string object;              // that says the types
  std::vector<std::string> keys;   // of delete
  std::vector<std::string> words;  // of update: key and values
  std::string flag = "any";
  bool json = false;
};

// A file's map, with the runtime that it is opened in.
struct OpenMap {
  std::unique_ptr<Runtime> runtime;
  std::shared_ptr<Map> map;
};

Error Invalid(std::string message) {
  return Error{ErrorCode::kInvalidArgument, std::move(message), EINVAL};
}

Result<OpenMap> Open(const std::string& path) {
  SKEP_TRY(const MapFileInfo info, ReadMapFile(path));
  OpenMap out;
  SKEP_TRY(out.runtime, Runtime::Create({.cpu_slots = std::max(info.cpu_slots, 1u)}));
  SKEP_TRY(out.map, out.runtime->OpenMapFile(path));
  return out;
}

bool HasKeys(const Map& map) { return map.spec().key_size != 0; }
std::string TypeName(const Map& map) { return std::string(model::FindMapType(map.type())->name); }

// "0a000000", or "=10": a number of `size` bytes in the machine's order.
Result<Bytes> ParseBytes(const std::string& text, size_t size, const char* what) {
  const auto wrong = [&](const std::string& why) {
    return Invalid(std::string(what) + " '" + text + "' " + why);
  };
  if (!text.starts_with("=")) {
    auto bytes = ParseHex(text);
    if (!bytes) return wrong("is not hex; a number is written =N");
    if (bytes->size() != size) {
      return wrong("has " + std::to_string(bytes->size()) + " bytes, need " + std::to_string(size));
    }
    return bytes;
  }
  int64_t number = 0;
  const char* end = text.data() + text.size();
  uint64_t bits = 0;
  const bool negative = text.starts_with("=-");
  const auto parsed = negative ? std::from_chars(text.data() + 1, end, number)
                               : std::from_chars(text.data() + 1, end, bits);
  if (parsed.ec != std::errc() || parsed.ptr != end) return wrong("is not a number");
  if (negative) bits = static_cast<uint64_t>(number);
  if (size > sizeof bits) {
    return wrong("is a number, but there are " + std::to_string(size) +
                 " bytes: write them in hex");
  }
  const int shift = static_cast<int>(8 * size) - 1;
  const bool fits = size == sizeof bits || (negative ? number >> shift == -1 : bits >> shift <= 1);
  if (!fits) return wrong("does not fit " + std::to_string(size) + " bytes");
  Bytes bytes(size);
  std::memcpy(bytes.data(), &bits, size);
  return bytes;
}

// What bpf(2) would say, in words.
Error Refused(const Map& map, const std::string& what, int code) {
  std::string why;
  switch (-code) {
    case EEXIST:
      why = "it is there already";
      break;
    case ENOENT:
      why = "there is no such element";
      break;
    case E2BIG:
      why = "there is no room, or no such index";
      break;
    case ENOSPC:
      why = "there is no room";
      break;
    case EPERM:
      why = "the map is frozen or read-only";
      break;
    case EINVAL:
    case EOPNOTSUPP:
    case kEnotsupp:
      why = "a map of type " + TypeName(map) + " does not take this";
      break;
    default:
      why = std::strerror(-code);
  }
  return Error{ErrorCode::kInvalidArgument, what + ": " + why, -code};
}

int FailWith(const Error& error) {
  PrintError(error.message);
  return kFailed;
}

// ---- dump -------------------------------------------------------------------------

// The map of the file's name in the object, for the types of keys and values.
Result<void> TakeTypes(const std::string& path, MapSpec& spec,
                       std::shared_ptr<const btf::Btf>& types) {
  SKEP_TRY(const Input input, OpenInput(path, {}));
  for (const MapSpec& map : input.object.maps()) {
    if (map.name != spec.name) continue;
    if (map.key_size != spec.key_size || map.value_size != spec.value_size) {
      return Invalid(path + ": its map '" + map.name + "' has other sizes than the file's");
    }
    spec.btf_key_type_id = map.btf_key_type_id;
    spec.btf_value_type_id = map.btf_value_type_id;
    types = input.object.btf();
    return {};
  }
  return Invalid(path + ": there is no map '" + spec.name + "' in it");
}

int Dump(const MapOptions& options) {
  const auto open = Open(options.file);
  if (!open) return Fail(open.error());
  Map& map = *open->map;
  MapSpec spec = map.spec();
  std::shared_ptr<const btf::Btf> types;
  if (!options.object.empty()) {
    const auto taken = TakeTypes(options.object, spec, types);
    if (!taken) return Fail(taken.error());
  }
  const Json elements = DumpMap(map, spec, types.get());
  if (!options.json) return Write(PrintMap(spec, elements), kDone);
  return WriteJson({{"file", options.file},
                    {"name", spec.name},
                    {"type", TypeName(map)},
                    {"key_size", spec.key_size},
                    {"value_size", spec.value_size},
                    {"max_entries", spec.max_entries},
                    {"flags", spec.flags},
                    {"elements", elements}},
                   kDone);
}

// ---- update and delete ------------------------------------------------------------

std::optional<uint64_t> FlagOf(const std::string& word) {
  if (word == "any") return kUpdateAny;
  if (word == "noexist") return kUpdateNoExist;
  if (word == "exist") return kUpdateExist;
  return std::nullopt;
}

// One value, of per-CPU maps one for each CPU slot or one for all.
Result<Bytes> ValueOf(const Map& map, const std::vector<std::string>& words) {
  const size_t size = map.spec().value_size;
  const size_t stride = (size + 7) / 8 * 8;
  const size_t slots = map.host_value_size() == size ? 1 : map.host_value_size() / stride;
  if (words.size() != 1 && words.size() != slots) {
    return Invalid("found " + std::to_string(words.size()) + " values, need 1" +
                   (slots == 1 ? "" : " or " + std::to_string(slots)));
  }
  Bytes out(map.host_value_size());
  for (size_t i = 0; i < slots; ++i) {
    SKEP_TRY(const Bytes value, ParseBytes(words[words.size() == 1 ? 0 : i], size, "value"));
    std::copy(value.begin(), value.end(), out.begin() + static_cast<ptrdiff_t>(i * stride));
  }
  return out;
}

int Update(const MapOptions& options) {
  const auto open = Open(options.file);
  if (!open) return Fail(open.error());
  Map& map = *open->map;
  Bytes key;
  std::vector<std::string> values = options.words;
  if (HasKeys(map)) {
    if (values.size() < 2) return Fail(Invalid("found one word, need a key and a value"));
    auto parsed = ParseBytes(values[0], map.spec().key_size, "key");
    if (!parsed) return Fail(parsed.error());
    key = *std::move(parsed);
    values.erase(values.begin());
  }
  const auto value = ValueOf(map, values);
  if (!value) return Fail(value.error());
  const int code =
      map.HostUpdate(HasKeys(map) ? key.data() : nullptr, value->data(), *FlagOf(options.flag));
  if (code != 0) return FailWith(Refused(map, options.file, code));
  if (!options.json) return kDone;
  return WriteJson({{"file", options.file}, {"updated", 1}}, kDone);
}

int Delete(const MapOptions& options) {
  const auto open = Open(options.file);
  if (!open) return Fail(open.error());
  Map& map = *open->map;
  std::vector<Bytes> keys;
  for (const std::string& word : options.keys) {
    auto key = ParseBytes(word, map.spec().key_size, "key");
    if (!key) return Fail(key.error());
    keys.push_back(*std::move(key));
  }
  uint64_t deleted = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    const int code = map.HostDelete(HasKeys(map) ? keys[i].data() : nullptr);
    if (code != 0) return FailWith(Refused(map, options.file + ": " + options.keys[i], code));
    ++deleted;
  }
  if (!options.json) return kDone;
  return WriteJson({{"file", options.file}, {"deleted", deleted}}, kDone);
}

// ---- create -----------------------------------------------------------------------

struct CreateOptions {
  std::string file;
  std::string type;
  MapSpec spec;
  uint32_t cpus = 1;
};

int Create(CreateOptions options) {
  const model::MapTypeInfo* type = model::FindMapType(options.type);
  if (type == nullptr) return Fail(Invalid("there is no map type '" + options.type + "'"));
  options.spec.type = type->type;
  if (type->type == MapType::kLpmTrie) options.spec.flags |= kMapNoPrealloc;
  if (options.spec.name.empty()) {
    options.spec.name = std::filesystem::path(options.file).filename().string();
  }
  const auto runtime = Runtime::Create({.cpu_slots = options.cpus});
  if (!runtime) return Fail(runtime.error());
  const auto map = (*runtime)->CreateMapFile(options.spec, options.file);
  return map ? kDone : Fail(map.error());
}

void AddCreate(CLI::App* map, int& status) {
  auto options = std::make_shared<CreateOptions>();
  CLI::App* create = map->add_subcommand("create", "Make a map in a new file");
  create->add_option("file", options->file, "File to make")->required();
  create->add_option("type", options->type, "Map type, as hash or array")->required();
  create->add_option("--key", options->spec.key_size, "Bytes of a key");
  create->add_option("--value", options->spec.value_size, "Bytes of a value");
  create->add_option("--entries", options->spec.max_entries, "Most elements, or bytes of a ring");
  create->add_option("--name", options->spec.name, "Name of the map; else the file's");
  create->add_option("--flags", options->spec.flags, "BPF_MAP_CREATE flags, a number");
  create->add_option("--cpus", options->cpus, "CPU slots of per-CPU maps")
      ->check(CLI::PositiveNumber);
  create->footer(
      "Examples:\n"
      "  skep map create /run/filter/flows hash --key 8 --value 16 --entries 100000\n"
      "  skep map create jobs queue --value 4 --entries 100\n");
  create->callback([options, &status] { status = Create(*options); });
}

void AddDump(CLI::App* map, int& status) {
  auto options = std::make_shared<MapOptions>();
  CLI::App* dump = map->add_subcommand("dump", "Show the elements");
  dump->add_option("file", options->file, "File of a map")->required();
  dump->add_option("--object", options->object,
                   "ELF object with a map of this name, whose types say what is shown");
  dump->add_flag("--json", options->json, "Machine output on standard output");
  dump->footer(
      "Examples:\n"
      "  skep map dump /run/filter/flows\n"
      "  skep map dump /run/filter/flows --object filter.bpf.o --json | jq "
      "'.elements[].formatted'\n");
  dump->callback([options, &status] { status = Dump(*options); });
}

void AddUpdate(CLI::App* map, int& status) {
  auto options = std::make_shared<MapOptions>();
  CLI::App* update = map->add_subcommand("update", "Insert or replace an element");
  update->add_option("file", options->file, "File of a map")->required();
  update
      ->add_option("words", options->words,
                   "Key and value; a value alone for queues, stacks and bloom filters; of per-CPU "
                   "maps a value for each CPU slot, or one for all")
      ->required();
  update->add_option("--flag", options->flag, "any, noexist or exist")
      ->check(CLI::IsMember({"any", "noexist", "exist"}));
  update->add_flag("--json", options->json, "Machine output on standard output");
  update->footer(
      "Keys and values are hex bytes, or =N: a number in the machine's byte order.\n\n"
      "Examples:\n"
      "  skep map update /run/filter/limits =3 =1000\n"
      "  skep map update /run/filter/flows 0a00000150000000 =1 --flag noexist\n");
  update->callback([options, &status] { status = Update(*options); });
}

void AddDelete(CLI::App* map, int& status) {
  auto options = std::make_shared<MapOptions>();
  CLI::App* erase = map->add_subcommand("delete", "Remove elements");
  erase->add_option("file", options->file, "File of a map")->required();
  erase->add_option("keys", options->keys, "Their keys")->required();
  erase->add_flag("--json", options->json, "Machine output on standard output");
  erase->footer(
      "Keys are hex bytes, or =N: a number in the machine's byte order. The first key that\n"
      "cannot be removed ends it.\n\n"
      "Examples:\n"
      "  skep map delete /run/filter/limits =3 =4\n"
      "  skep map delete /run/filter/flows 0a00000150000000\n");
  erase->callback([options, &status] { status = Delete(*options); });
}

}  // namespace

void AddMap(CLI::App& app, int& status) {
  CLI::App* map = app.add_subcommand("map", "Maps in files: make, show and change them");
  map->require_subcommand(1);
  AddCreate(map, status);
  AddDump(map, status);
  AddUpdate(map, status);
  AddDelete(map, status);
  map->footer(
      "Examples:\n"
      "  skep map dump /run/filter/flows\n"
      "  skep map update /run/filter/limits =3 =1000\n"
      "  skep map delete /run/filter/limits =3\n");
}

}  // namespace skep::tools
