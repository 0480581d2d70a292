import { isIP } from "node:net";
import { Refusal } from "./refusal.ts";

/** The host a request names, without its port; "" where it names none that could be one. */
export function hostOf(request: Request): string {
  const url = request.url;
  const start = url.indexOf("://") + 3;
  const authority = url.slice(start, url.indexOf("/", start));
  return /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?=:\d+$|$)/.exec(authority)?.[0] ?? "";
}

/** Whether only this machine reaches an address that is listened on. */
export function isLoopback(address: string): boolean {
  return address === "localhost" || address === "::1" || /^127\.\d+\.\d+\.\d+$/.test(address);
}

/**
 * Refuses a request that names a host this interface isn't known by. What listens on loopback is safe from other machines, but not
 * from the browsers of this one: a page whose own name is made to lead to 127.0.0.1 (DNS rebinding) would be let in as if the
 * interface were its own server. Addresses and localhost can't be made to lead anywhere else. `names` null: it is for all to reach.
 */
export function checkHost(request: Request, names: readonly string[] | null): void {
  if (names === null) return;
  const host = hostOf(request).toLowerCase().replace(/\.$/, "");
  if (host === "" || host === "localhost" || host.endsWith(".localhost") || isIP(host.replace(/^\[|\]$/g, "")) !== 0 || names.includes(host)) return;
  throw new Refusal("misdirected", "This server listens to its own machine alone, and the name it was called by is none of its own.", {
    hint: "Call it by localhost or an address, or list the name in controlplane.allowed_hosts, as behind a proxy on this machine.",
  });
}
