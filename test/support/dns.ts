import { createSocket, type Socket } from "node:dgram";

/** A name server of our own, on UDP: what it answers can be changed between questions. */

const types = { a: 1, aaaa: 28 } as const;
const codes = { ok: 0, servfail: 2, nxdomain: 3 } as const;

export interface Addresses {
  readonly a?: readonly string[];
  readonly aaaa?: readonly string[];
}

export class NameServer {
  /** By name, in lower case; a name that isn't here is not there. */
  readonly answers = new Map<string, Addresses | "servfail" | "silent">();
  /** Every question, as `name type`. */
  readonly asked: string[] = [];
  private readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("message", (question, from) => {
      const answer = this.answer(question);
      if (answer !== null) socket.send(answer, from.port, from.address);
    });
  }

  static start(address: string): Promise<NameServer> {
    return new Promise((done, fail) => {
      const socket = createSocket("udp4");
      socket.once("error", fail);
      socket.bind(53, address, () => done(new NameServer(socket)));
    });
  }

  stop(): void {
    this.socket.close();
  }

  /** RFC 1035 §4.1: the header, the question as it came, and a record for each address. Null: silence. */
  private answer(message: Buffer): Buffer | null {
    const labels: string[] = [];
    let at = 12;
    for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
      labels.push(message.toString("latin1", at + 1, at + 1 + length));
      at += length + 1;
    }
    const type = message.readUInt16BE(at + 1);
    const end = at + 5;
    const name = labels.join(".").toLowerCase();
    this.asked.push(`${name} ${type === types.aaaa ? "AAAA" : "A"}`);
    const known = this.answers.get(name);
    if (known === "silent") return null;
    const code = known === undefined ? codes.nxdomain : known === "servfail" ? codes.servfail : codes.ok;
    const addresses = typeof known === "object" ? ((type === types.aaaa ? known.aaaa : type === types.a ? known.a : []) ?? []) : [];
    const header = Buffer.alloc(12);
    message.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8580 | code, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(addresses.length, 6);
    return Buffer.concat([header, message.subarray(12, end), ...addresses.map((address) => record(type, address))]);
  }
}

/** The name is that of the question (a pointer to it); good for no time at all. */
function record(type: number, address: string): Buffer {
  const data = type === types.aaaa ? ipv6(address) : Buffer.from(address.split(".").map(Number));
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function ipv6(address: string): Buffer {
  const [head = "", tail] = address.split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16)));
  const [before, after] = [groups(head), tail === undefined ? [] : groups(tail)];
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
  const bytes = Buffer.alloc(16);
  all.forEach((group, i) => bytes.writeUInt16BE(group, 2 * i));
  return bytes;
}
