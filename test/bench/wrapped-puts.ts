/** What compression and encryption cost a filesystem store by itself: the same packs put in turns, several at a time as the flusher does. */
import { rm } from "node:fs/promises";
import { createSecretKey } from "node:crypto";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { Keyring, openFilesystemBlocks, openFramedBlocks } from "#blocks/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { median } from "./measure.ts";
import type { Bound } from "./report.ts";

const packBytes = 16 * 2 ** 20;
const atOnce = 4;
const kinds = ["plain", "zstd", "aes"] as const;
type Kind = (typeof kinds)[number];
const costMax: Readonly<Record<Kind, number | null>> = { plain: null, zstd: 25, aes: 10 };

export async function putBounds(directory: string, turns: number): Promise<readonly Bound[]> {
  const root = join(directory, "wrapped-puts");
  await rm(root, { recursive: true, force: true });
  const under = await openFilesystemBlocks({ directory: root });
  const stores = new Map<Kind, BlockStore>(kinds.map((kind) => [kind, wrapped(under, kind)]));
  const pack = logLines(packBytes);
  const seconds: Record<Kind, number[]> = { plain: [], zstd: [], aes: [] };
  for (let turn = 0; turn <= turns; turn++) {
    for (const kind of kinds.map((_, i) => kinds[(i + turn) % kinds.length] as Kind)) {
      const store = stores.get(kind) as BlockStore;
      const keys = Array.from({ length: atOnce }, (_, i) => `${kind}/${turn}/${i}`);
      const began = performance.now();
      await Promise.all(keys.map((key) => store.put(key, { from: "slices", slices: [pack] })));
      // The first turn touches memory and files for the first time.
      if (turn > 0) seconds[kind].push((performance.now() - began) / 1000);
      await store.delete(keys);
    }
  }
  await under.close();
  await rm(root, { recursive: true, force: true });
  const mbs = (kind: Kind) => Math.round((packBytes * atOnce) / 1e6 / median(seconds[kind]));
  return (["zstd", "aes"] as const).map((kind) => ({
    what: `store: what ${kind === "zstd" ? "zstd" : "AES-256-GCM"} costs ${atOnce} puts of 16 MiB at a time into a directory`,
    value: 100 * median(seconds[kind].map((sec, i) => 1 - (seconds.plain[i] as number) / sec)),
    unit: "%",
    most: costMax[kind],
    detail: `${mbs("plain")} → ${mbs(kind)} MB/s, synced; medians of ${turns} turns`,
  }));
}

function wrapped(blocks: BlockStore, kind: Kind): BlockStore {
  if (kind === "plain") return blocks;
  const masters = { source: "the benchmark", current: "a", byId: new Map([["a", createSecretKey(systemRandom.bytes(32))]]) };
  const keyring = new Keyring({ blocks, keyPrefix: `${kind}/`, masters, mayBegin: true, random: systemRandom });
  return openFramedBlocks({ blocks, keyPrefix: `${kind}/`, compress: kind === "zstd", encrypt: kind === "aes", keyring, acceptPlain: false, clock: systemClock, random: systemRandom });
}

/** Lines as logs have them, which compress three to four times. */
function logLines(length: number): Uint8Array {
  const bytes = Buffer.alloc(length);
  let r = 1;
  const next = (below: number) => (r = (Math.imul(r, 1664525) + 1013904223) >>> 0) % below;
  for (let at = 0, i = 0; at < length; i++) {
    at += bytes.write(`2026-11-22T04:${String(i % 60).padStart(2, "0")}:07.${next(1000)} host-${next(16)} sshd[${next(30000)}]: Accepted publickey for user${next(200)} from 10.${next(4)}.${next(256)}.${next(256)} port ${next(65536)} ssh2\n`, at, "latin1");
  }
  return bytes;
}
