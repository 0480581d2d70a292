/** Addresses as the 16 bytes of IPv6; an IPv4 address is its mapped form ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). */
const addressBytes = 16;
const mappedPrefixBits = 96;

interface Network {
  readonly address: Uint8Array;
  readonly prefixBits: number;
  /** Whether IPv4 addresses may lie in it: whoever writes ::/64 means a network of IPv6, and not all of IPv4 by the way. ::/0 is everybody. */
  readonly ipv4: boolean;
}

const loopback = ["127.0.0.0/8", "::1/128"];

function parseIpv4(text: string, into: Uint8Array, at: number): boolean {
  const parts = text.split(".");
  if (parts.length !== 4) return false;
  for (let i = 0; i < 4; i++) {
    const part = parts[i] ?? "";
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return false;
    into[at + i] = Number(part);
  }
  return true;
}

/** Groups of one side of "::" into bytes; null for anything malformed. The last group of an address may be dotted IPv4. */
function parseGroups(text: string, ends: boolean): number[] | null {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (let i = 0; i < groups.length; i++) {
    const group = groups[i] ?? "";
    if (group.includes(".")) {
      const quad = new Uint8Array(4);
      if (!ends || i !== groups.length - 1 || !parseIpv4(group, quad, 0)) return null;
      bytes.push(...quad);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes.length <= addressBytes ? bytes : null;
}

/** An IPv4 or IPv6 address (a zone "%eth0" is ignored) as 16 bytes, or null. */
export function parseAddress(text: string): Uint8Array | null {
  const bytes = new Uint8Array(addressBytes);
  if (!text.includes(":")) {
    bytes[10] = 0xff;
    bytes[11] = 0xff;
    return parseIpv4(text, bytes, 12) ? bytes : null;
  }
  const zone = text.indexOf("%");
  const halves = (zone < 0 ? text : text.slice(0, zone)).split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? "", true) : [];
  if (head === null || tail === null) return null;
  const given = head.length + tail.length;
  if (halves.length === 1 ? given !== addressBytes : given > addressBytes - 2) return null;
  bytes.set(head, 0);
  bytes.set(tail, addressBytes - tail.length);
  return bytes;
}

/** A CIDR (or a bare address) as a network; null if it isn't one. */
function parseNetwork(text: string): Network | null {
  const slash = text.indexOf("/");
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === null) return null;
  const ipv4 = !text.includes(":");
  const bitsMax = ipv4 ? 32 : 128;
  const prefix = slash < 0 ? String(bitsMax) : text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bitsMax) return null;
  const prefixBits = Number(prefix) + (ipv4 ? mappedPrefixBits : 0);
  return { address, prefixBits, ipv4: prefixBits === 0 || prefixBits >= mappedPrefixBits };
}

function isMapped(address: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return false;
  return address[10] === 0xff && address[11] === 0xff;
}

function lies(address: Uint8Array, network: Network): boolean {
  if (!network.ipv4 && isMapped(address)) return false;
  const whole = network.prefixBits >> 3;
  for (let i = 0; i < whole; i++) if (address[i] !== network.address[i]) return false;
  const rest = network.prefixBits & 7;
  if (rest === 0) return true;
  const mask = (0xff << (8 - rest)) & 0xff;
  return ((address[whole] ?? 0) & mask) === ((network.address[whole] ?? 0) & mask);
}

/** The networks a share is open to. None given: the loopback addresses alone, so that nothing is published by accident. */
export class AllowedClients {
  private readonly networks: readonly Network[];

  /** Throws for a text that is no CIDR, naming it. */
  constructor(cidrs: readonly string[]) {
    this.networks = (cidrs.length === 0 ? loopback : cidrs).map((text) => {
      const network = parseNetwork(text);
      if (network === null) throw new Error(`"${text}" is no IPv4 or IPv6 network (CIDR), such as 192.168.0.0/16 or fd00::/8`);
      return network;
    });
  }

  allows(address: string): boolean {
    const bytes = parseAddress(address);
    return bytes !== null && this.networks.some((network) => lies(bytes, network));
  }
}
