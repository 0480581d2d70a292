import { startTarget, targetPassword, targetShare, targetUser } from "./target.ts";

/**
 * Serves a share until it is interrupted, for suites that are run by hand:
 *
 *     bun test/conformance/serve.ts [PORT] [--source] [--password WORD] [--share NAME] [-- SERVER-ARGUMENTS]
 *     smbtorture //127.0.0.1/share -p PORT -Ualice%secret12 smb2.connect
 */

const given = process.argv.slice(2);
const end = given.indexOf("--");
const own = end < 0 ? given : given.slice(0, end);
const word = (flag: string): string | undefined => (own.includes(flag) ? own[own.indexOf(flag) + 1] : undefined);
const share = word("--share") ?? targetShare;
const password = word("--password") ?? targetPassword;
const target = await startTarget({
  port: /^\d+$/.test(own[0] ?? "") ? Number(own[0]) : 0,
  fromSource: own.includes("--source"),
  share,
  password,
  echo: (piece) => void process.stdout.write(piece),
  args: end < 0 ? [] : given.slice(end + 1),
});
process.stdout.write(`//127.0.0.1/${share} -p ${target.port} -U${targetUser}%${password}\nserver: pid ${target.server.process.pid}, data in ${target.dataDir}, log on this terminal\n`);

await new Promise<void>((done) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => done());
  void target.server.process.exited.then(() => done());
});
await target.stop();
process.exit(0);
