import { afterAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { binaryPath, freePort, Server, temporaryDirectory } from "../support/server.ts";

/** The embedded portmapper; on its own port, 111, with Debian's rpcinfo and showmount in a network namespace of the test's own. */

function whyNot(): string | null {
  if (process.getuid?.() !== 0) return "needs root for a network namespace";
  for (const program of ["rpcinfo", "showmount", "unshare", "ip"]) if (Bun.which(program, { PATH: `${Bun.env["PATH"]}:/usr/sbin:/sbin` }) === null) return `needs ${program}`;
  return null;
}

const why = whyNot();
if (why !== null) console.log(`portmapper with rpcinfo and showmount: skipped, ${why}`);

const directory = temporaryDirectory("portmapper");
afterAll(() => directory.remove());

/** Starts a server in a fresh namespace, runs the commands there, each after a line `== command`, and stops the server. */
function inNamespace(commands: readonly string[]): string {
  const script = join(directory.path, "script");
  const data = join(directory.path, "data");
  const asked = commands.map((command) => `echo '== ${command}'; timeout 20 ${command} 2>&1; echo "status $?"`);
  writeFileSync(
    script,
    `PATH=$PATH:/usr/sbin:/sbin
ip link set lo up
${binaryPath()} start --detach --data-dir ${data} --nfs-port 2049 --nfs-portmapper-enabled --nfs-portmapper-port 111 || exit 1
${asked.join("\n")}
echo '== stop'
${binaryPath()} stop --data-dir ${data} >/dev/null; echo "status $?"
`,
  );
  const result = Bun.spawnSync(["unshare", "--net", "sh", script], { stdin: "ignore", stderr: "inherit" });
  return result.stdout.toString();
}

describe.skipIf(why !== null)("rpcinfo and showmount (skipped without root or their packages)", () => {
  const commands = ["rpcinfo -p 127.0.0.1", "rpcinfo -T udp 127.0.0.1 100000", "rpcinfo -T tcp 127.0.0.1 100003 3", "rpcinfo 127.0.0.1", "showmount -e --no-headers 127.0.0.1"];
  let answers = new Map<string, string>();

  test("the server starts and stops there", () => {
    answers = new Map(inNamespace(commands).split("== ").map((part) => [part.slice(0, part.indexOf("\n")), part.slice(part.indexOf("\n") + 1)]));
    expect(answers.get("stop")).toBe("status 0\n");
  });

  for (const command of commands) test(`${command} succeeds`, () => expect(answers.get(command)).toEndWith("status 0\n"));

  test("NFS, MOUNT and the portmapper itself are listed", () => {
    const listed = (answers.get("rpcinfo -p 127.0.0.1") ?? "").split("\n").map((line) => line.trim().split(/\s+/).slice(0, 4).join(" "));
    for (const entry of ["100000 2 tcp 111", "100000 4 udp 111", "100003 3 tcp 2049", "100005 3 tcp 2049"]) expect(listed).toContain(entry);
  });

  test("the share is exported", () => {
    expect(answers.get("showmount -e --no-headers 127.0.0.1")).toMatch(/^\/export\b/);
  });
});

test("the portmapper says where NFS and MOUNT are, when it is asked for", async () => {
  const port = await freePort();
  const dataDir = join(directory.path, "plain");
  const server = await Server.start({ dataDir, port, args: ["--nfs-portmapper-enabled", "--nfs-portmapper-port", "0", "--bind", "127.0.0.1"] });
  try {
    const { listening } = JSON.parse(Bun.spawnSync([binaryPath(), "status", "--data-dir", dataDir, "-o", "json"]).stdout.toString()) as { listening: { protocol: string; port: number }[] };
    expect(listening.map((at) => at.protocol)).toEqual(["api", "nfs", "portmapper", "smb"]);
    const dump = await portmapperDump(listening[2]?.port ?? 0);
    expect(dump).toContainEqual([100003, 3, 6, port]);
    expect(dump).toContainEqual([100005, 3, 6, port]);
  } finally {
    expect(await server.stop()).toBe(0);
  }
});

/** PMAPPROC_DUMP (RFC 1833 §3.2) over TCP: program, version, protocol, port of each. */
async function portmapperDump(port: number): Promise<number[][]> {
  const call = new DataView(new ArrayBuffer(44));
  // Fragment header (last, 40 bytes), then xid, CALL, RPC 2, program 100000, version 2, procedure 4, two empty AUTH_NONE.
  [0x80000028, 7, 0, 2, 100000, 2, 4, 0, 0, 0, 0].forEach((word, i) => call.setUint32(i * 4, word));
  const received: Uint8Array[] = [];
  const done = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_, chunk) {
        received.push(chunk);
        const bytes = Buffer.concat(received);
        if (bytes.length >= 4 && bytes.length >= 4 + (bytes.readUInt32BE(0) & 0x7fffffff)) done.resolve();
      },
      close: () => done.resolve(),
    },
  });
  socket.write(new Uint8Array(call.buffer));
  await done.promise;
  socket.end();
  // xid, REPLY, accepted, verifier (2 words), success, then a list of (1, program, version, protocol, port) and 0.
  const words = Buffer.concat(received).subarray(4);
  const list: number[][] = [];
  for (let at = 24; words.readUInt32BE(at) === 1; at += 20) list.push([4, 8, 12, 16].map((more) => words.readUInt32BE(at + more)));
  return list;
}
