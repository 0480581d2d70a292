import { expect, test } from "bun:test";
import { join } from "node:path";
import { temporary } from "../../../support/temporary.ts";
import { codeOf, giveBackCode } from "#app/process/native.ts";

const maps = `00200000-01a39000 r--p 00000000 fe:00 6227947                            /usr/bin/dittofs
01a40000-0684a000 r-xp 01838000 fe:00 6227947                            /usr/bin/dittofs
06867000-08293000 rw-p 0665e000 fe:00 6227939                            /usr/bin/dittofs
06900000-06904000 r--p 00000000 00:00 0
7f8ee14b7000-7f8ee160d000 r-xp 00026000 fe:00 326269                     /usr/lib/x86_64-linux-gnu/libc.so.6
7f8ee1700000-7f8ee1701000 r-xs 00026000 fe:00 326269                     /usr/bin/dittofs
7f8ee1800000-7f8ee1801000 rwxp 00000000 fe:00 6227947                    /usr/bin/dittofs
7f8ee1900000-7f8ee1901000 r-xp 00000000 fe:00 6227947                    /usr/bin/dittofs (deleted)
7ffc0a1d4000-7ffc0a1d6000 r-xp 00000000 00:00 0                          [vdso]
`;

test("code is what is mapped from the program's own file, executable and never written", () => {
  expect(codeOf(maps, "/usr/bin/dittofs")).toEqual([{ begin: 0x01a40000, end: 0x0684a000 }]);
  expect(codeOf(maps, "/usr/bin/bun")).toEqual([]);
  expect(codeOf("", "/usr/bin/dittofs")).toEqual([]);
});

test("code that was given back goes on being executed", () => {
  const before = JSON.stringify({ a: [1, 2.5, "x"] });
  giveBackCode();
  expect(JSON.stringify(JSON.parse(before))).toBe(before);
  expect(new Intl.DateTimeFormat("en").format(0)).not.toBe("");
});

// Skipped elsewhere: how a runtime there waits for a pipe is not known.
test.skipIf(process.platform !== "linux")("a sync is done while six tasks of the thread pool wait for ever, however few processors there are", async () => {
  const directory = temporary("pool");
  const program = `
    const { widenThreadPool } = await import("#app/process/native.ts");
    const fs = await import("node:fs");
    widenThreadPool();
    const pipe = fs.openSync(${JSON.stringify(join(directory, "pipe"))}, "r+");
    for (let i = 0; i < 6; i++) fs.read(pipe, new Uint8Array(1), 0, 1, null, () => {});
    fs.fdatasync(fs.openSync(${JSON.stringify(join(directory, "file"))}, "w"), (error) => {
      console.log(error === null ? "synced" : String(error));
      process.exit(0);
    });
  `;
  expect(await Bun.spawn(["mkfifo", join(directory, "pipe")]).exited).toBe(0);
  const { UV_THREADPOOL_SIZE: _, ...env } = process.env;
  // Source is compiled by the same pool, which would begin with that; a compiled program has nothing to compile.
  const child = Bun.spawn([process.execPath, "-e", program], { env: { ...env, BUN_FEATURE_FLAG_DISABLE_ASYNC_TRANSPILER: "1" }, stdout: "pipe", timeout: 50_000 });
  expect(await new Response(child.stdout).text()).toBe("synced\n");
});
