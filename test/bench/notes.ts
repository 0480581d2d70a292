/** What holds a workload back that misses its target, found by profiling; printed next to the figure. Keyed by the row's name. */
const syncs =
  "The JavaScript thread is idle for a quarter of the time: calls that are committed together are answered together, and nothing is left to do " +
  "while the sync runs, some 300 µs. A sixth of what it does is waking others: handing an fdatasync to the thread pool and a reply to the client " +
  "each cost 40–60 µs where an idle CPU has to be woken in a virtual machine. SQLite takes 7 to 10 µs an operation.";

export const missed: Readonly<Record<string, string>> = {
  create: `Two syncs one after the other for each file. ${syncs} Storing the 4 KiB later (pack, inode, extent) takes another 13 µs a file.`,
  create_commit: `As create. ${syncs}`,
  rename: `${syncs} A rename deletes and inserts a row and updates two inodes: 10 to 13 µs of SQLite.`,
  remove: syncs,
  seqwrite:
    "Each received chunk is a fresh buffer of Bun's, and each pack a fresh file: two passes over cold memory, which page faults and a virtual " +
    "machine make dear, where a server that receives into one buffer has one.",
  seqrewrite:
    "Content is never overwritten in place: rewriting a file writes new packs into cold page cache and deletes the old ones, where the peer " +
    "overwrites warm pages. Recycling the files of dead packs would save that.",
  randwrite:
    "Each write is copied twice (log and page), and stored as an extent of its own later, which costs SQLite a row each.",
  randwrite_sync: syncs,
  getattr_one:
    "One call at a time measures how fast an idle CPU is woken: runs on this machine give either about 11 µs or about 80 µs for both servers, as the " +
    "scheduler places them.",
  "NULL latency p99 during seqrewrite":
    "A mebibyte from each client is taken in a turn of the event loop: copying it from the socket into cold memory is most of a turn. The figure " +
    "moved between 12 and 37 ms from run to run.",
  "listing a million entries with READDIRPLUS":
    "The attributes of entries beyond cache.files (100,000 by default) are read from SQLite one by one, about 4 µs each.",
  "growth of resident memory by these listings": "The cache of inodes and names fills up to cache.files, about 1 KiB each.",
  "highest resident memory over all of this":
    "Reached while a million files are made, beside a full page cache: the garbage collector of the runtime lets its heap grow by the memory of the " +
    "machine. Single workloads stay below 900 MB.",
  randread: "Half of the time is the kernel copying replies to the socket.",
};

/** The same of a share on S3, keyed by how the line begins. */
export const missedOnS3: Readonly<Record<string, string>> = {
  "sequential write":
    "Both processors are busy nine tenths of the time, three fifths of that with the S3 server. Besides what raw PUTs do, a byte is received over NFS, written to " +
    "the local disk and synced before it is acknowledged, and read from there to be sent; and nothing is sent before a flush is due (cache.flush_size), " +
    "a tenth of so short a run.",
  "cold sequential read":
    "Besides what raw GETs do, a byte is copied from the answer into what is read ahead, from there into pages, and sent over NFS; a third of the thread is page faults of " +
    "fresh buffers. Keeping the received pieces instead of copying them would save one copy and most faults.",
  "cached read": "Nothing of S3 is in its way; the figure moves by a fifth from round to round where others use the machine.",
  "local write: randwrite_sync": "The figure moved between 0.4 and 2.6 from round to round, with what else used the disk.",
  "local write: create": "The figure moved between 0.7 and 1.8 from round to round, with what else used the disk.",
  "scattered overwrites":
    "A page of 64 KiB is held for most 4 KiB that are written somewhere in it, so that some 40 MB fill the memory for dirty pages; a file is flushed one cut at a time, " +
    "and a cut of 40 MB takes 0.4 s: 40 ms to write packs, 250 ms to hash and put them, 100 ms for its 10,000 extents.",
  "local write: randwrite": "Hashing and sending what is uploaded meanwhile take their share of the thread that answers the writes.",
};
