/** What holds a workload back that misses its target, found by profiling; printed next to the figure. Keyed by the row's name. */
const syncs =
  "A turn of 32 renames takes 600 µs: 110 decode and decide, 230 are SQLite's transaction (4 µs a rename in its statements, 1.8 in the commit, the rest " +
  "around them), 45 hand the fdatasync to the thread pool and 30 a reply to the client, because an idle CPU of a virtual machine has to be woken, 65 answer, " +
  "and 100 are waited for the disk. Measured and of no use: two syncs at a time, committing each client's calls by themselves so that their turns " +
  "interleave, other page sizes (1 to 8 KiB), renames as one UPDATE, a cache of names in the store (20 % slower). In runs of a second the compiler of the " +
  "runtime takes another third of a CPU of the two there are.";

export const missed: Readonly<Record<string, string>> = {
  create:
    "The JavaScript thread is busy 60 to 100 µs a file, the more the more others use the processors: about a quarter in SQLite (name, inode, later extent and inode again), a tenth " +
    "in the pages and slices of the 4 KiB, 5 % in collections of some 40 kB of garbage a file, the rest in calls, answers and what waits for two syncs one after the other. In the first " +
    "seconds the compiler of the runtime takes 3 s of the other processor. Memory that was not used before is dear on this machine, up to 17 µs each 4 KiB: pages and packs are " +
    "therefore filled by the thread pool.",
  create_commit: "As create.",
  rename: syncs,
  remove: "As rename; two rows are deleted and one is changed.",
  seqwrite: "Each pack is a fresh file in cold page cache, which a virtual machine makes dear.",
  seqrewrite:
    "Content is never overwritten in place: rewriting a file writes new packs, in files of packs that were given up while there are such, else into cold page cache, where the peer " +
    "overwrites warm pages.",
  randwrite:
    "Each write is copied twice (log and page), both times from and to memory that is in no cache: 30 % of the time. A fifth is waking the client for each batch " +
    "of replies. Each write is stored as an extent of its own later, a row of SQLite: a tenth.",
  randwrite_sync: "As rename: a sync a turn is waited for, here of the log.",
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
    "the local disk and synced before it is acknowledged, and read from there to be hashed and to be sent: 1.3 to 1.9 s of CPU for 512 MiB, beside 3 s of the S3 server. " +
    "Measured and of no use: to put every pack as soon as it is full, instead of when a flush is due (cache.flush_size).",
  "cold sequential read":
    "Besides what raw GETs do, a byte is checked, written to the disk cache and sent over NFS. It is received into the memory of its page and copied nowhere else by us: 0.7 to 0.8 s of the " +
    "server's CPU for 512 MiB, beside 0.8 s of the S3 server and the proxy; in the first round memory that was not used before adds half as much. Raw GETs over our connections are received the same way, at half as much again as the SDK's.",
  "cached read": "Nothing of S3 is in its way; single turns differ by a third.",
  "local write: randwrite":
    "A write costs the server 23 µs of CPU on S3 and 10 µs on the filesystem store (perf, after some seconds of load): of the 13 µs 2.5 are SHA-256 and 0.9 sending, 1.6 the history's copy, 1.8 page faults of memory that writes are received in, " +
    "probably since the allocator gives it back before the garbage collector lets it be used again, 1.5 collection and compilation, and the rest packs: their checksums, extents and transactions. Everything goes to the bucket once, as the lag of a second asks, less what " +
    "is written over within it: with nothing but the hash, the sending and the copy left it would be 15 µs, 0.7 of the filesystem store's speed; and the S3 server has up to a processor of the two meanwhile.",
  "local write without history": "Without a history a share on S3 has but its flushes to pay for, of the same bytes that the filesystem store renames into place: they are hashed, sent and taken in by the S3 server on the same two processors.",
  "local write":
    "A file cost the server 117 µs of CPU on S3 and 86 µs on the filesystem store (perf) while its bytes still went into packs early: of the 31 µs 9 were rows of extents and the second writing down of each name's change, 5 the bytes of packs, " +
    "5 compilation, which goes on longer as there is more code, 3 SHA-256 and sending, 3 collection and what it causes. Since the files of a turn are removed at its end they wait for their age now, which takes 8 to 25 % of the CPU away (three runs); " +
    "what was written has to go up within a second nevertheless, where the filesystem store stores next to nothing of it.",
  "scattered overwrites":
    "A page of 64 KiB is held for most 4 KiB that are written somewhere in it. Of the server's thread, which is busy all the time, 19 % is SHA-256 of packs, 12 % the transactions of their extents, 8 % sending (profiled). " +
    "Of what is written 1.1 to 1.3 times as much is sent, once in packs, besides what segments of the history have to carry that no flush had taken when they were made.",
};

/** The same over SMB, by the row's name. */
export const missedOverSmb: Readonly<Record<string, string>> = {
  echo: "Of the thread's time a half is the socket's write and 29 % the two signatures of a request (profiled on a busy machine).",
  queryinfo: "As echo: the socket and the signatures; what is asked costs little beside them.",
  open: "The figure moves with Samba's: of rounds in turn 4.2, 3.9 and 4.4 times its rate, and Samba uses 1.36 processors for it where ours has one. Of the thread's time 45 % is the socket's write, 18 % the four signatures, 6 % finding the name in the cache; no other function takes more than 3 % (profiled on " +
    "a busy machine).",
  create: "CREATE is answered when the file is on stable storage, Samba's before. Of the thread's time a fifth is the socket's write, a sixth SQLite, a ninth the six " +
    "signatures (before short messages were hashed by our own code), an eighth the log and pages for the 4 KiB; no other function takes more than 2 % (profiled). Cold code is a third slower: the first second is spent compiling.",
  create_flush: "As create.",
  delete: "CLOSE is answered when the name is gone from stable storage, Samba's before: a third of the thread's time is the transaction and handing its sync to the thread pool, a fifth the socket's write (profiled).",
  randread: "Of the thread's time 26 % is the socket's write, 23 % the signatures (7 % of requests, the rest of answers, which are long enough to take a cipher object), 15 % finding the pages, " +
    "9 % copies of the payload (profiled on a busy machine).",
  seqread:
    "Where the CPU time of a MiB read goes, in µs, by the kernel's sampling of all threads, the server's code compiled. Ours, 420: sending 205 (the copy 100, waking the client 50), signature 110, our " +
    "code and the runtime's 55, compiler 20, reading what was not in memory the first time 17. Samba's, 600 (which uses both processors): pread 245, sending 165, signature and its code 150. The signature reads memory that is in no " +
    "cache: of memory in the cache it takes 40. Measured and of little use: to read that memory in another order first (6 % of the signature), memory in pages of 2 MiB (a quarter faster to sign, three times as slow to " +
    "touch first), to hold back more than 4 MiB of answers. Each answer sent by itself costs 50 more: while the next is signed a client on the same machine falls asleep, and has to be woken for each 64 KiB.",
  seqwrite:
    "Where the CPU time of a MiB written goes, in µs, by the kernel's sampling of all threads, the server's code compiled (in the first seconds the runtime's compiler takes 20 to 300 more, and " +
    "what is not compiled yet as much again). Ours, 850: recv 160 (the copy 110), write to the page cache 210 (the copy 140), signature 70 to 100, checksum 25, our code and the runtime's 130, " +
    "of which no function has 2: for a MiB that passes through, all code has left the CPU's nearer caches; compiler 30, sync 45, page faults 20, answers and other system calls 25, the rest " +
    "interrupts. Samba's, 800: recv 155 and 65 for memory not used before, write 230, signature 125, its code 60, sync 35, answers and other calls 60. Both copy the bytes twice and " +
    "sign them, which is three quarters of it: a fifth less than Samba's is not to be had without one copy less. Memory that the virtual machine has not " +
    "used before costs 600 a MiB instead of 200, whoever writes to it first. Measured and of no use: one thread of the pool for a pack's writes, larger pieces to receive into, in pages of 2 MiB, " +
    "leaving fewer writes to the pool.",
  seqrewrite:
    "Where the CPU time of a MiB goes, in µs, as for seqread. Ours, 605: recv 105 (the copy 66), write to the page cache 145 (the copy 103), signature and checksum 110, our code and the runtime's 90, compiler 40, sync 28, " +
    "page faults 16, interrupts 50, the rest answers and threads. Samba's, 565: recv 155, write 153, signature 107, its code 45, sync 20, interrupts 35, answers and other calls 50. Two copies and a signature, which both " +
    "do, are 280 of it, and the kernel around them takes 120 more: 1.2 would be 470, which is not to be had without one copy less. None of ours is avoidable: the files of packs given up are written over already, nothing of " +
    "the old pack is read, no block is looked for while there are such files; payloads arrive at odd addresses, so that they can't be written past the page cache. Where a write takes long because others have the " +
    "processors, writes are left to the thread pool for a while, which costs 800 a MiB; and memory that the virtual machine has not used before 600 to 1,300 more, whoever writes to it first: then the figure is far lower. Samba has the memory it overwrites; ours came from 860 in the first counted round to " +
    "1,370 and 1,640 MB/s in the third, as more of what its packs take turns in was in use before.",
};

/** The same of metadata in PostgreSQL, keyed by the line. */
export const missedInPostgres: Readonly<Record<string, string>> = {
  "CREATE over NFS, 64 in flight":
    "Its rounds lie a factor of ten apart, and commits of a single client a factor of four (the line of 1 client): a turn of creates waits for one commit, so that the disk's syncs " +
    "decide. At another hour of the same day, with a quieter disk, the same program's median was 8,483/s.",
};
