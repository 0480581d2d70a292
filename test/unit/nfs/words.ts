/**
 * XDR written down field by field, apart from the code under test: a number is 32 bits, a bigint 64, a string or bytes are
 * variable-length opaque data with their length and padding.
 */
export class Words {
  private readonly parts: Uint8Array[] = [];

  constructor(...fields: readonly (number | bigint | string | Uint8Array)[]) {
    for (const field of fields) this.parts.push(encode(field));
  }

  /** This, followed by more. */
  then(more: Words): Words {
    const joined = new Words();
    joined.parts.push(...this.parts, ...more.parts);
    return joined;
  }

  /** This, followed by bytes without a length. */
  raw(bytes: Uint8Array): Words {
    const joined = new Words();
    joined.parts.push(...this.parts, bytes);
    return joined;
  }

  bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.parts));
  }
}

function encode(field: number | bigint | string | Uint8Array): Uint8Array {
  if (typeof field === "number") {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, field);
    return bytes;
  }
  if (typeof field === "bigint") {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, field);
    return bytes;
  }
  const data = typeof field === "string" ? Buffer.from(field) : field;
  const bytes = new Uint8Array(4 + Math.ceil(data.length / 4) * 4);
  new DataView(bytes.buffer).setUint32(0, data.length);
  bytes.set(data, 4);
  return bytes;
}
