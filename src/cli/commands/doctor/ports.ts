import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import type { Config } from "#config/index.ts";
import type { Instance } from "../../ports.ts";
import { whoHas } from "./port-holder.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

interface Wanted {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  readonly udp: boolean;
  /** How to choose another. */
  readonly flag: string;
}

function wantedPorts({ adapters: { nfs, smb }, controlplane }: Config): readonly Wanted[] {
  const { portmapper } = nfs;
  return [
    { protocol: "api", address: controlplane.host, port: controlplane.port, udp: false, flag: "--controlplane-port" },
    ...(nfs.enabled ? [{ protocol: "nfs", address: nfs.bind, port: nfs.port, udp: false, flag: "--nfs-port" }] : []),
    ...(nfs.enabled && portmapper.enabled ? [{ protocol: "portmapper", address: nfs.bind, port: portmapper.port, udp: true, flag: "--nfs-portmapper-port" }] : []),
    ...(smb.enabled ? [{ protocol: "smb", address: smb.bind || nfs.bind, port: smb.port, udp: false, flag: "--smb-port" }] : []),
  ];
}

/** Whether each port the configuration names is free, or held by our own server. */
export async function checkPorts(config: Config, instance: Instance | null): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  for (const wanted of wantedPorts(config)) found.push(await checkPort(wanted, instance));
  return found;
}

async function checkPort(wanted: Wanted, instance: Instance | null): Promise<Finding> {
  const { protocol, address, port, udp, flag } = wanted;
  const check = `port ${port} (${protocol})`;
  const ours = instance?.listening.find((at) => at.protocol === protocol);
  if (ours !== undefined) return ok(`port ${ours.port} (${protocol})`, `the server with pid ${instance?.pid} listens on ${ours.address}`);
  if (port === 0) return ok(check, "any free one is taken");
  const code = (await whyNotTcp(address, port)) ?? (udp ? await whyNotUdp(address, port) : null);
  if (code === null) {
    if (instance !== null) return warn(check, `a server runs with pid ${instance.pid} but does not listen here`, "dittofs status and dittofs adapter list say what it serves");
    return ok(check, `free on ${address}`);
  }
  if (code === "EADDRINUSE") return fail(check, `${whoHas(port) ?? "another program"} has it on ${address}`, `stop that (ss -ltnp 'sport = :${port}' names it), or choose another port with ${flag}`);
  if (code === "EACCES") return fail(check, "ports below 1024 need a privilege", `choose another with ${flag}, or give the program the privilege: setcap cap_net_bind_service=+ep on the executable, or AmbientCapabilities= in the unit`);
  if (code === "EADDRNOTAVAIL") return fail(check, `this machine has no address ${address}`, "ip address lists those there are; name one of them, or 0.0.0.0");
  return fail(check, `can't be listened on at ${address} (${code})`, `choose another with ${flag}`);
}

function whyNotTcp(host: string, port: number): Promise<string | null> {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => done(null)));
  });
}

function whyNotUdp(address: string, port: number): Promise<string | null> {
  return new Promise((done) => {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.once("error", (error: NodeJS.ErrnoException) => {
      socket.close();
      done(error.code ?? error.message);
    });
    socket.bind(port, address, () => socket.close(() => done(null)));
  });
}
