import { adapterOptions } from "./adapter-options.ts";
import { checkCidr, cidrAllowed } from "./checks.ts";
import { controlOptions } from "./control-options.ts";
import { records } from "./fields.ts";
import { metricsOptions } from "./metrics-options.ts";
import { choice, duration, integer, section, size, text, texts, type Values } from "./option.ts";
import { cidr, shareOptions } from "./share-options.ts";
import { telemetryOptions } from "./telemetry-options.ts";

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const TiB = 2 ** 40;
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Every option there is. Order is that of the template and the reference page; a derived default may look at what stands above it. */
export const options = {
  data_dir: text({
    help: "Where the server keeps everything: metadata, content, the write-ahead log and the lock that keeps a second server away.",
    default: { text: "$XDG_DATA_HOME/dittofs", from: (machine) => `${machine.dataHome}/dittofs` },
    example: "/var/lib/dittofs",
    since: "0.1.0",
    allowed: "a path",
    check: (value) => (value === "" ? "an empty path" : null),
  }),
  allowed_clients: texts({
    help: "Clients let in besides this machine, on every share that has no list of its own. Repeatable as a flag.",
    default: [],
    example: "[192.168.1.0/24, fd00::/8]",
    since: "0.1.0",
    flag: "--allow",
    allowed: cidrAllowed,
    of: cidr,
    check: checkCidr,
  }),
  server: section("The process.", {
    shutdown_timeout: duration({
      help: "How long a stop waits for requests in hand and for content to reach its store. What is acknowledged is safe either way.",
      min: 0,
      max: hour,
      default: 30 * second,
      example: "30s",
      since: "0.1.0",
    }),
  }),
  logging: section("What the server says about itself.", {
    level: choice({
      help: "The least severe message that is written.",
      of: ["debug", "info", "warn", "error"],
      default: "info",
      example: "debug",
      since: "0.1.0",
      flag: "--log-level",
    }),
    format: choice({
      help: "text is for people, with colours on a terminal; json is for machines; auto is text on a terminal and json elsewhere.",
      of: ["text", "json", "auto"],
      default: "text",
      example: "json",
      since: "0.1.0",
      flag: "--log-format",
    }),
    output: text({
      help: "Where messages go: stderr, stdout, or the path of a file (reopened at SIGHUP).",
      default: "stderr",
      example: "/var/log/dittofs.log",
      since: "0.1.0",
      flag: "--log-output",
      allowed: "stderr, stdout or a path",
      check: (value) => (value === "" ? "an empty path" : null),
    }),
    rotate: section("When the file of logging.output gives way to a new one. stderr and stdout are never rotated.", {
      size: size({
        help: "Longest a log file gets; then it is renamed to FILE.1, and what is FILE.1 to FILE.2. 0: it is left to others, such as logrotate with SIGHUP.",
        min: 0,
        max: TiB,
        default: 100 * MiB,
        example: "20MiB",
        since: "0.1.0",
      }),
      keep: integer({ help: "Earlier log files that are kept.", min: 1, max: 1000, default: 5, example: "10", since: "0.1.0" }),
    }),
    repeats_per_second: integer({
      help: "Lines with the same message, code and origin that are written in a second; the others are left out, and one more line says how many they were (its field `repeated`). 0: none is left out.",
      min: 0,
      max: 100_000,
      default: 10,
      example: "100",
      since: "0.1.0",
    }),
    slow_operations: duration({
      help: "Requests of NFS, SMB and REST that took at least so long are logged as a warning, with what they waited for as far as that is known. 0s: none. Changed while the server runs by dittofs settings set logging.slow_operations 500ms.",
      min: 0,
      max: hour,
      default: 0,
      example: "500ms",
      since: "0.1.0",
    }),
  }),
  ...controlOptions,
  adapters: adapterOptions,
  cache: section("File content on its way to and from the block store.", {
    path: text({
      help: "Where the write-ahead log lies, and packs being filled that the block store can't take over where they are, in a directory for each share. Empty: in the data directory. It holds what was acknowledged: never put it on a disk that forgets.",
      default: "",
      example: "/mnt/nvme/dittofs",
      since: "0.1.0",
      allowed: "a path",
    }),
    size: size({
      help: "Memory for the pages of files, of all shares together.",
      min: 16 * MiB,
      max: 64 * TiB,
      default: { text: "a quarter of memory, at most 1GiB", from: (machine) => Math.max(64 * MiB, Math.min(GiB, Math.floor(machine.memoryBytes / 4 / MiB) * MiB)) },
      example: "512MB",
      since: "0.1.0",
    }),
    dirty_limit: size({
      help: "Content accepted but not yet in the block store, of all shares together; past it writers are slowed to the speed of the store.",
      min: 4 * MiB,
      max: 64 * TiB,
      default: { text: "half of cache.size", from: (_, earlier) => Math.max(4 * MiB, Math.floor((earlier("cache.size") as number) / 2)) },
      example: "256MiB",
      since: "0.1.0",
    }),
    unstored_limit: size({
      help: "The write-ahead log and packs being filled, on disk, of all shares together; past it writers are slowed to the speed of the block store.",
      min: 64 * MiB,
      max: 64 * TiB,
      default: { text: "4GiB, or twice cache.dirty_limit where that is more", from: (_, earlier) => Math.min(64 * TiB, Math.max(4 * GiB, 2 * (earlier("cache.dirty_limit") as number))) },
      example: "16GiB",
      since: "0.1.0",
    }),
    disk_size: size({
      help: "Disk, where cache.path says, for copies of what a remote block store (s3) holds, of all shares together. 0: none are kept. They can be had again: losing them costs time alone.",
      min: 0,
      max: 1024 * TiB,
      default: 10 * GiB,
      example: "100GiB",
      since: "0.1.0",
    }),
    disk_free_min: size({
      help: "Free space of that disk below which copies are removed instead of kept.",
      min: 0,
      max: 64 * TiB,
      default: GiB,
      example: "20GiB",
      since: "0.1.0",
    }),
    flush_age: duration({
      help: "How long changed content waits for more of its kind before it goes to the block store. It is in the log meanwhile.",
      min: 10,
      max: hour,
      default: 5 * second,
      example: "5s",
      since: "0.1.0",
    }),
    flush_size: size({
      help: "Changed content of a share that is flushed without waiting for flush_age.",
      min: MiB,
      max: TiB,
      default: { text: "128MiB, or half of cache.dirty_limit where that is less", from: (_, earlier) => Math.min(128 * MiB, Math.floor((earlier("cache.dirty_limit") as number) / 2)) },
      example: "32MiB",
      since: "0.1.0",
    }),
    files: integer({
      help: "Files, and names, kept in memory, of all shares together; a file costs about 1KiB.",
      min: 1000,
      max: 100_000_000,
      default: 100_000,
      example: "1000000",
      since: "0.1.0",
    }),
    log_segment_size: size({ help: "Size of one file of the write-ahead log.", min: 20 * MiB, max: 4 * GiB, default: 64 * MiB, example: "64MiB", since: "0.1.0" }),
  }),
  gc: section("Collection of content nothing refers to any more.", {
    interval: duration({ help: "Time between two runs.", min: 100, max: 365 * day, default: 10 * minute, example: "10m", since: "0.1.0" }),
    grace: duration({ help: "How long a pack stays after it was found unused, for readers that still hold its name.", min: 0, max: 365 * day, default: 10 * minute, example: "10m", since: "0.1.0" }),
  }),
  metrics: metricsOptions,
  telemetry: telemetryOptions,
  shares: records(shareOptions, {
    help: "Shares to begin with, each a file tree of its own; without this key there is one, /export. Taken over once, at the first start of a control plane; from then on its shares are what there is.",
    allowed: "a list with at least one share, each a mapping with at least a name",
    example: "[{name: /export}]",
    since: "0.1.0",
    required: ["name"],
    default: [{ name: "/export" }],
  }),
};

/** All values, under the keys of the configuration file. Sizes are bytes, durations milliseconds. */
export type Config = Values<typeof options>;
export type ShareConfig = Config["shares"][number];
