import { dns } from "bun";
import { readFile } from "node:fs/promises";

const hostsFile = "/etc/hosts";

/**
 * A host name's addresses: those of the system's hosts file where it has the name, else of its name servers, with its search domains.
 * By sockets of our own (c-ares): getaddrinfo would take a thread for as long as a name server is silent, and the threads are those
 * that sync what clients write. The hosts file is read here, since c-ares takes all names of one address for one host, and whoever
 * shares an alias with another would be let in as that one.
 */
export async function resolveName(name: string): Promise<readonly string[]> {
  const written = addressesIn(await readFile(hostsFile, "utf8").catch(() => ""), name);
  if (written.length > 0) return written;
  return (await dns.lookup(name, { backend: "c-ares" })).map(({ address }) => address);
}

/** The addresses of a name in a hosts file (hosts(5)): of every line that has it. */
export function addressesIn(hosts: string, name: string): readonly string[] {
  const wanted = name.toLowerCase();
  return hosts.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    return names.some((one) => one.toLowerCase() === wanted) ? [address] : [];
  });
}
