/** An IPv4 address where it is one written as IPv6. */
export function plainAddress(text: string): string {
  return text.startsWith("::ffff:") && text.includes(".") ? text.slice(7) : text;
}
