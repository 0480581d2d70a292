import { type Cipheriv, createCipheriv, type KeyObject } from "node:crypto";
import { messageIdAt, signatureAt, signatureBytes } from "#wire/smb2/header.ts";
import { blockBytes, factorsOf, type Hash, makeHash, powerBytes, resultAt } from "./ghash-code.ts";

/** Longer messages are cheaper by node:crypto, whose hash is ten times as fast once a cipher is made, which takes a microsecond and leaves garbage. */
export const shortBytesMax = 256;
/** Where a message is copied to, and where the powers of keys are; of so many of them, the last ones used. */
const messageAt = 64;
const keysAt = 4096;
const keysMax = 64;
/** One for each block and for the lengths. */
const powers: number = shortBytesMax / blockBytes + 1;
const keyBytes: number = powers * powerBytes;

/** Masks are made for so many message ids at a time, an even and an odd group of them, and for both directions. */
const groupIds = 64;
const groupBits = 6;
const groupBytes: number = groupIds * 2 * blockBytes;
const groupMask: number = groupIds - 1;

interface Machine {
  readonly hash: Hash;
  readonly bytes: Uint8Array;
  /** Whose powers are in the memory. */
  readonly keys: (ShortGmac | null)[];
}

/** Made for the first key. Null where there is no WebAssembly, or none with vectors: then everything is left to node:crypto. */
let machine: Machine | null = null;
let keysUsed = 0;

function makeMachine(): Machine | null {
  try {
    const { hash, memory } = makeHash();
    return { hash, bytes: new Uint8Array(memory), keys: new Array<ShortGmac | null>(keysMax).fill(null) };
  } catch {
    return null;
  }
}

/** What `of` gives, until it is called again. */
const tag = new Uint8Array(signatureBytes);

/**
 * AES-128-GMAC (NIST SP 800-38D) as messages are signed by it (MS-SMB2 3.1.4.1), of short ones: their blocks are hashed in `ghash-code`, and
 * what the hash is masked by, the AES of the nonce, is made for many of the message ids that are next at once.
 */
export class ShortGmac {
  private readonly cipher: Cipheriv;
  private readonly powers: Uint8Array;
  private readonly slot: number;
  private readonly groups: readonly [Group, Group] = [new Group(), new Group()];

  private constructor(key: KeyObject) {
    this.cipher = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);
    this.powers = powersOf(this.cipher.update(new Uint8Array(blockBytes)));
    this.slot = keysUsed++ % keysMax;
  }

  /** Null: there is none here. */
  static make(key: KeyObject): ShortGmac | null {
    machine ??= makeMachine();
    return machine === null ? null : new ShortGmac(key);
  }

  /**
   * The signature of `b[at..end)`, a whole message of at most `shortBytesMax` bytes that is no CANCEL, whatever stands where its signature goes.
   * It is in the same memory for every call.
   */
  of(b: Uint8Array, at: number, end: number, server: boolean): Uint8Array {
    const { hash, bytes, keys } = machine!;
    const keyAt = keysAt + this.slot * keyBytes;
    if (keys[this.slot] !== this) {
      bytes.set(this.powers, keyAt);
      keys[this.slot] = this;
    }
    const length = end - at;
    for (let i = 0; i < signatureAt; i++) bytes[messageAt + i] = b[at + i]!;
    for (let i = signatureAt; i < signatureAt + signatureBytes; i++) bytes[messageAt + i] = 0;
    for (let i = signatureAt + signatureBytes; i < length; i++) bytes[messageAt + i] = b[at + i]!;
    let to = messageAt + length;
    while ((to & (blockBytes - 1)) !== 0) bytes[to++] = 0;
    // How many bits were hashed, and that none were encrypted (SP 800-38D §7.1).
    for (let i = 0; i < blockBytes; i++) bytes[to + i] = 0;
    bytes[to + 6] = length >>> 5;
    bytes[to + 7] = length << 3;
    hash(keyAt + ((to - messageAt) / blockBytes) * powerBytes, messageAt, to + blockBytes, messageAt + signatureAt);
    const masks = this.masksOf(b, at);
    const from = ((b[at + messageIdAt]! & groupMask) * 2 + (server ? 1 : 0)) * blockBytes;
    for (let i = 0; i < blockBytes; i++) tag[i] = bytes[resultAt + i]! ^ masks[from + i]!;
    return tag;
  }

  private masksOf(b: Uint8Array, at: number): Uint8Array {
    const low = word(b, at + messageIdAt);
    const high = word(b, at + messageIdAt + 4);
    const first = low & ~groupMask;
    const group = this.groups[(low >>> groupBits) & 1]!;
    if (group.first !== first || group.high !== high || group.masks.length === 0) {
      group.masks = this.cipher.update(countersOf(first, high));
      group.first = first;
      group.high = high;
    }
    return group.masks;
  }
}

/** The powers of a key's H, from the first. */
function powersOf(h: Uint8Array): Uint8Array {
  const { hash, bytes } = machine!;
  const all = new Uint8Array(keyBytes);
  const first = factorsOf(h);
  bytes.set(first, keysAt);
  machine!.keys[0] = null;
  let power = h;
  for (let i = 0; i < powers; i++) {
    all.set(factorsOf(power), i * powerBytes);
    bytes.set(power, messageAt);
    hash(keysAt, messageAt, messageAt + blockBytes, 0);
    power = bytes.slice(resultAt, resultAt + blockBytes);
  }
  return all;
}

/** Masks of ids side by side; each id's of the request in front of the answer's. */
class Group {
  first = 0;
  high = 0;
  masks: Uint8Array = none;
}

const none = new Uint8Array(0);

function word(b: Uint8Array, at: number): number {
  return b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24);
}

const counters = new Uint8Array(groupBytes);
const counterWords = new DataView(counters.buffer);

/** The first counter block of each nonce (SP 800-38D §7.1): message id and direction, and a one. */
function countersOf(first: number, high: number): Uint8Array {
  for (let i = 0; i < groupIds * 2; i++) {
    const at = i * blockBytes;
    counterWords.setInt32(at, first + (i >> 1), true);
    counterWords.setInt32(at + 4, high, true);
    counterWords.setInt32(at + 8, i & 1, true);
    counterWords.setInt32(at + 12, 1);
  }
  return counters;
}
