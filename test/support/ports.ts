import { createServer } from "node:net";

/**
 * Ports for servers of tests: below those that a kernel gives to connections, of which one may be some other client's by the time the server
 * listens, or starts again.
 */
const first = 20_000;
const count = 12_000;
const triesMax = 100;
/** Given by this process: a server that is down for a while keeps its port. */
const given = new Set<number>();

/** A port nobody listens on just now. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < triesMax; tries++) {
    const port = first + Math.floor(Math.random() * count);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`${triesMax} ports from ${first} on were tried, and others listen on all of them`);
}

export async function freePorts(wanted: number): Promise<readonly number[]> {
  const ports: number[] = [];
  while (ports.length < wanted) ports.push(await freePort());
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once("error", () => done(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => done(true)));
  });
}
