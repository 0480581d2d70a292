import { checkCidr, checkShareName, cidrAllowed } from "./checks.ts";
import { choice, integer, section, size, text, texts, toggle } from "./option.ts";

const MiB = 2 ** 20;
const TiB = 2 ** 40;

export const cidr = { type: "string", pattern: "^[0-9a-fA-F.:]+(/\\d{1,3})?$" };

/** The keys of an item of `shares`. */
export const shareOptions = {
  name: text({
    help: "The path clients mount, e.g. /export.",
    default: "",
    example: "/export",
    since: "0.1.0",
    allowed: "a path such as /export, at most 255 bytes",
    pattern: "^/.+$",
    check: checkShareName,
  }),
  metadata: section("Where names, attributes and the content map are kept.", {
    type: choice({
      help: "sqlite keeps them in a file; memory forgets them when the server stops.",
      of: ["sqlite", "memory"],
      default: "sqlite",
      example: "sqlite",
      since: "0.1.0",
    }),
    path: text({
      help: "The database file of a sqlite store. Empty: metadata.db in the share's own directory.",
      default: "",
      example: "/srv/dittofs/export.db",
      since: "0.1.0",
      allowed: "a path",
    }),
  }),
  blocks: section("Where file content ends up.", {
    type: choice({
      help: "filesystem keeps it in files; memory forgets it when the server stops.",
      of: ["filesystem", "memory"],
      default: "filesystem",
      example: "filesystem",
      since: "0.1.0",
    }),
    path: text({
      help: "The directory of a filesystem store. Empty: blocks/ in the share's own directory.",
      default: "",
      example: "/srv/dittofs/blocks",
      since: "0.1.0",
      allowed: "a path",
    }),
    size: size({
      help: "The most a memory store holds; then the share is full. A filesystem store has the room its disk has.",
      min: MiB,
      max: 64 * TiB,
      default: { text: "half of memory", from: (machine) => Math.floor(machine.memoryBytes / 2 / MiB) * MiB },
      example: "4GiB",
      since: "0.1.0",
    }),
  }),
  durability: choice({
    help: "When a COMMIT is answered. local: the content is on the local disk and survives a power cut. writeback: it survives a killed server, not a power cut. remote: it is in the block store and survives the loss of the local log and packs, but not of the metadata store.",
    of: ["local", "writeback", "remote"],
    default: "local",
    example: "local",
    since: "0.1.0",
  }),
  read_only: toggle({ help: "Refuse every change.", default: false, example: "true", since: "0.1.0" }),
  squash: choice({
    help: "How user ids are taken. none: as sent, uid 0 is superuser. root_to_guest: uid 0 becomes anonymous. root_to_admin: uid 0 keeps superuser rights whatever the grants. all_to_guest, all_to_admin: the same for every uid.",
    of: ["none", "root_to_guest", "root_to_admin", "all_to_guest", "all_to_admin"],
    default: "root_to_guest",
    example: "root_to_guest",
    since: "0.1.0",
  }),
  anonymous_uid: integer({ help: "The user id of squashed and unauthenticated callers.", min: 0, max: 4294967294, default: 65534, example: "65534", since: "0.1.0" }),
  anonymous_gid: integer({ help: "The group id of squashed and unauthenticated callers.", min: 0, max: 4294967294, default: 65534, example: "65534", since: "0.1.0" }),
  allowed_clients: texts({
    help: "Exactly the clients that may use this share; this machine is one of them only where it is listed. An empty list: this machine alone.",
    default: {
      text: "this machine (127.0.0.0/8, ::1, the address of adapters.nfs.bind) and the allowed_clients of the top level",
      from: (_, earlier) => clientsByDefault(earlier("adapters.nfs.bind") as string, earlier("allowed_clients") as readonly string[]),
    },
    example: "[127.0.0.1, 192.168.1.0/24]",
    since: "0.1.0",
    allowed: cidrAllowed,
    of: cidr,
    check: checkCidr,
  }),
};

/** The addresses of this machine, which a share is open to unless it says otherwise. */
export const loopback: readonly string[] = ["127.0.0.0/8", "::1"];

/** Who connects to an address from that very address is on this machine: so does its own client where `bind` is not loopback. */
function localAddresses(bind: string): readonly string[] {
  const address = bind.replace(/%.*/, "");
  return ["0.0.0.0", "::", "::1"].includes(address) || address.startsWith("127.") ? loopback : [...loopback, address];
}

/** Who is let into a share that has no list of its own, where NFS listens on `bind`. */
export function clientsByDefault(bind: string, allowed: readonly string[]): readonly string[] {
  return [...localAddresses(bind), ...allowed];
}
