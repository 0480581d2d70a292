import { isIP } from "node:net";

/** Says what is wrong with a list of addresses' item: `192.168.1.0/24`, `fd00::/8`, `10.0.0.7`. */
export function checkCidr(value: string): string | null {
  const slash = value.indexOf("/");
  const address = slash < 0 ? value : value.slice(0, slash);
  const family = isIP(address);
  if (family === 0 || address.includes("%")) return `${JSON.stringify(value)} is no address range`;
  if (slash < 0) return null;
  const bits = value.slice(slash + 1);
  const most = family === 4 ? 32 : 128;
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > most) return `${JSON.stringify(value)} has no prefix length from 0 to ${most}`;
  return null;
}

export const cidrAllowed = "an address or a range such as 10.0.0.7, 192.168.1.0/24 or fd00::/8";

/** Says what is wrong with an address to listen on. */
export function checkAddress(value: string): string | null {
  return isIP(value) === 0 ? `${JSON.stringify(value)} is no IP address` : null;
}

/** As checkAddress; localhost is an address, too. */
export function checkHost(value: string): string | null {
  return value === "localhost" ? null : checkAddress(value);
}

/** What is wrong with an address that names a user, whose password is not to be repeated with it. */
export const withPassword = "an address with a password in it, which would be shown and logged";

/** Says what is wrong with the place of a server that is spoken to: `localhost:4317`. */
export function checkEndpoint(value: string): string | null {
  if (value.includes("@")) return withPassword;
  if (value.includes("://")) return `${JSON.stringify(value)} has a scheme in front`;
  const [, bracketed, name = "", port = ""] = /^(?:\[([^\]]*)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(value) ?? [];
  if (port === "") return `${JSON.stringify(value)} is no host and port`;
  if (Number(port) < 1 || Number(port) > 65_535) return `${JSON.stringify(value)} has no port from 1 to 65535`;
  const isHost = bracketed === undefined ? isHostName(name) : isIP(bracketed) === 6;
  return isHost ? null : `${JSON.stringify(value)} has no host in front of its port`;
}

/** RFC 1123 §2.1, with the underscore that names in container networks have; or an IPv4 address. */
function isHostName(name: string): boolean {
  return name.length <= 253 && name.split(".").every((label) => /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/.test(label));
}

const secretCharactersMin = 32;

/** Says what is wrong with the secret of the control plane, without repeating it. "" is none. */
export function checkSecret(value: string): string | null {
  return value !== "" && value.length < secretCharactersMin ? `a secret of ${value.length} characters is too short; \`openssl rand -hex 32\` makes a good one` : null;
}

/** Says what is wrong with a share's name, which is also the path clients mount. */
export function checkShareName(value: string): string | null {
  if (!value.startsWith("/") || value.length < 2) return `${JSON.stringify(value)} does not begin with / and a name`;
  if (new TextEncoder().encode(value).length > 255) return "a name longer than 255 bytes";
  for (const part of value.slice(1).split("/")) {
    if (part === "" || part === "." || part === "..") return `${JSON.stringify(value)} has an empty, . or .. part`;
  }
  // Those would reach logs and terminals: controls of both sets (U+009B begins a command as ESC [ does), and what turns the order of letters around.
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/.test(value)) return "a control character";
  return null;
}
