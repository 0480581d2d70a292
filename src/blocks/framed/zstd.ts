/** One frame through zstd and back, off the event loop but for what is read at once. */
import { freeNow } from "#base/free-memory.ts";
import { DamagedObjectError } from "#model/block-store.ts";

/** Higher ones cost more than storing what they save. */
const level = 1;
/** What compression must save of a frame, as a part of it, to be worth undoing at each read. */
const savingPartMin = 1 / 16;

/** The frame compressed; null where that doesn't pay. */
export async function compressed(frame: Uint8Array): Promise<Uint8Array | null> {
  const bytes = await Bun.zstdCompress(frame, { level });
  return bytes.byteLength <= frame.byteLength * (1 - savingPartMin) ? bytes : null;
}

export async function decompress(bytes: Uint8Array, target: Uint8Array): Promise<void> {
  check(bytes, target);
  take(await Bun.zstdDecompress(bytes).catch(undone), target);
}

export function decompressNow(bytes: Uint8Array, target: Uint8Array): void {
  check(bytes, target);
  let plain: Uint8Array;
  try {
    plain = Bun.zstdDecompressSync(bytes);
  } catch (error) {
    undone(error);
  }
  take(plain, target);
}

function undone(error: unknown): never {
  throw new DamagedObjectError(`a compressed frame is damaged: ${(error as Error).message}`);
}

/** What a frame says of its own length (RFC 8878 section 3.1.1) comes first: memory is given for no more than it should have. */
function check(bytes: Uint8Array, target: Uint8Array): void {
  if (contentSize(bytes) !== target.byteLength) throw new DamagedObjectError("a compressed frame says that it has another length than its object does");
}

function take(bytes: Uint8Array, target: Uint8Array): void {
  if (bytes.byteLength !== target.byteLength) throw new DamagedObjectError("a compressed frame has another length than its object says");
  target.set(bytes, 0);
  freeNow(bytes);
}

const magic = 0xfd2f_b528;

/** The decompressed length in the header of a zstd frame; -1 where there is none. */
function contentSize(bytes: Uint8Array): number {
  if (bytes.byteLength < 18) return bytes.byteLength < 9 ? -1 : contentSize(padded(bytes));
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (view.getUint32(0, true) !== magic) return -1;
  const descriptor = view.getUint8(4);
  const single = (descriptor & 0x20) !== 0;
  const at = 5 + (single ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] as number);
  switch (descriptor >>> 6) {
    case 0:
      return single ? view.getUint8(at) : -1;
    case 1:
      return view.getUint16(at, true) + 256;
    case 2:
      return view.getUint32(at, true);
    default:
      return view.getUint32(at + 4, true) * 4294967296 + view.getUint32(at, true);
  }
}

function padded(bytes: Uint8Array): Uint8Array {
  const longer = new Uint8Array(18);
  longer.set(bytes, 0);
  return longer;
}
