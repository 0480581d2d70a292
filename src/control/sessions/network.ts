/** What of an address attempts are counted under: an IPv4 address, the /64 of an IPv6 address, which one host may have all of. */
export function networkOf(address: string): string {
  const bare = address.split("%")[0] ?? "";
  if (!bare.includes(":")) return bare.slice(0, 64);
  const mapped = /^(?:0{0,4}:){0,5}:?:?ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = "", tail] = bare.split("::");
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  const filled = tail === undefined ? before : [...before, ...Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0"), ...after];
  return `${filled.slice(0, 4).join(":")}::/64`;
}

/** Whether a network, as `networkOf` words it, is this machine itself (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3). */
export function isLoopback(network: string): boolean {
  return network.startsWith("127.") || network === networkOf("::1");
}

/** The 16-bit groups of a part of an address; a dotted end stands for two. */
function groupsOf(part: string): string[] {
  if (part === "") return [];
  return part.split(":").flatMap((group) => (group.includes(".") ? ["v4", "v4"] : [group.toLowerCase().replace(/^0+(?=.)/, "").slice(0, 4)]));
}
