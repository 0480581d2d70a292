import { expect, test } from "bun:test";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { LogOutput } from "#telemetry/logs/output.ts";
import { temporary } from "../../../support/temporary.ts";

const fresh = () => join(temporary("rotation"), "log");
const line = (i: number) => `line ${String(i).padStart(4, "0")}\n`;
const lineBytes = line(0).length;

test("a file that would get longer than allowed gives way; so many are kept, and no line is cut or lost before its turn", () => {
  const path = fresh();
  const output = new LogOutput(path, { bytesMax: 5 * lineBytes, keep: 3 });
  for (let i = 0; i < 32; i++) output.write(line(i));
  expect(readdirSync(dirname(path)).sort()).toEqual(["log", "log.1", "log.2", "log.3"]);
  const text = [`${path}.3`, `${path}.2`, `${path}.1`, path].map((one) => readFileSync(one, "utf8"));
  expect(text.map((one) => one.length / lineBytes)).toEqual([5, 5, 5, 2]);
  expect(text.join("")).toBe(Array.from({ length: 17 }, (_, i) => line(15 + i)).join(""));
  expect(statSync(path).mode & 0o777).toBe(0o640);
});

test("what the file held before counts, and a single line longer than allowed is written whole", () => {
  const path = fresh();
  writeFileSync(path, "x".repeat(90));
  const output = new LogOutput(path, { bytesMax: 100, keep: 1 });
  output.write(line(1).repeat(2));
  expect(readFileSync(`${path}.1`, "utf8")).toBe("x".repeat(90));
  output.write("y".repeat(500));
  expect(readFileSync(path, "utf8")).toBe("y".repeat(500));
  expect(readFileSync(`${path}.1`, "utf8")).toBe(line(1).repeat(2));
});

test("0 leaves it to others: they move it away and say so", () => {
  const path = fresh();
  const output = new LogOutput(path, { bytesMax: 0, keep: 1 });
  for (let i = 0; i < 100; i++) output.write(line(i));
  renameSync(path, `${path}.old`);
  output.write("late\n");
  output.reopen();
  output.write("new\n");
  expect(readFileSync(`${path}.old`, "utf8")).toEndWith("late\n");
  expect(readFileSync(path, "utf8")).toBe("new\n");
  expect(existsSync(`${path}.1`)).toBe(false);
});

test("a file that was moved and reopened counts from its own beginning", () => {
  const path = fresh();
  const output = new LogOutput(path, { bytesMax: 40, keep: 1 });
  output.write("a".repeat(30));
  renameSync(path, `${path}.old`);
  appendFileSync(path, "b".repeat(10));
  output.reopen();
  output.write("c".repeat(30));
  expect(readFileSync(path, "utf8")).toBe("b".repeat(10) + "c".repeat(30));
});

test("where it can't be moved it goes on being written", () => {
  const path = fresh();
  const output = new LogOutput(path, { bytesMax: 20, keep: 2 });
  output.write(line(0));
  // Directories of those names, not empty: renaming fails, whoever tests.
  for (const name of [`${path}.1`, `${path}.2`]) mkdirSync(join(name, "in the way"), { recursive: true });
  for (let i = 1; i < 6; i++) output.write(line(i));
  expect(readFileSync(path, "utf8")).toBe([0, 1, 2, 3, 4, 5].map(line).join(""));
});

test("where no new file can be opened, as with too many open, nothing is lost, and a new one is begun once it can", () => {
  const path = fresh();
  const program = `
    import { closeSync, openSync } from "node:fs";
    import { LogOutput } from "#telemetry/logs/output.ts";
    const output = new LogOutput(${JSON.stringify(path)}, { bytesMax: 20, keep: 2 });
    const held = [];
    try { for (;;) held.push(openSync("/dev/null")); } catch {}
    for (let i = 0; i < 9; i++) output.write("line " + i + "\\n");
    for (const fd of held) closeSync(fd);
    for (let i = 9; i < 12; i++) output.write("line " + i + "\\n");
  `;
  const ran = Bun.spawnSync(["sh", "-c", 'ulimit -n 256 && exec "$@"', "sh", process.execPath, "-e", program], { cwd: join(import.meta.dir, "../../../.."), stderr: "pipe" });
  expect(ran.stderr.toString()).toBe("");
  expect(readFileSync(`${path}.1`, "utf8") + readFileSync(path, "utf8")).toBe(Array.from({ length: 12 }, (_, i) => `line ${i}\n`).join(""));
  expect(existsSync(`${path}.2`)).toBe(false);
});

test("what could not be written is counted, and the first line that can be says how much it was", () => {
  const path = fresh();
  const output = new LogOutput(path, { bytesMax: 0, keep: 1 }, (lines) => `lost ${lines}\n`);
  output.write(line(0));
  const { fd } = output as unknown as { fd: number };
  // As a pipe is whose reader is away.
  (output as unknown as { fd: number }).fd = -1;
  for (let i = 1; i <= 7; i++) output.write(line(i));
  (output as unknown as { fd: number }).fd = fd;
  output.write(line(8));
  output.write(line(9));
  expect(readFileSync(path, "utf8")).toBe(`${line(0)}lost 7\n${line(8)}${line(9)}`);
});

test("a pipe that nobody reads holds nobody up", async () => {
  const path = join(temporary("pipe"), "pipe");
  const script = `
    import { openSync, readSync } from "node:fs";
    import { LogOutput } from ${JSON.stringify(join(import.meta.dir, "../../../../src/telemetry/logs/output.ts"))};
    const output = new LogOutput("stderr", { bytesMax: 0, keep: 1 }, (lines) => "lost " + lines + "\\n");
    for (let i = 0; i < 3000; i++) output.write(String(i).padStart(99) + "\\n");
    const pipe = openSync(${JSON.stringify(path)}, "r+");
    const held = Buffer.alloc(1 << 20);
    const length = readSync(pipe, held);
    output.write("after\\n");
    const after = held.toString("utf8", length, length + readSync(pipe, held, length, held.length - length, null));
    process.stdout.write(JSON.stringify({ whole: length % 100 === 0, lines: length / 100, after }));`;
  const child = Bun.spawn(["sh", "-c", 'mkfifo "$0" && exec "$1" -e "$2" 2<>"$0"', path, process.execPath, script], { stdout: "pipe", stderr: "inherit" });
  const { whole, lines, after } = JSON.parse(await new Response(child.stdout).text()) as { whole: boolean; lines: number; after: string };
  expect(whole).toBe(true);
  expect(lines).toBeLessThan(3000);
  expect(after).toBe(`lost ${3000 - lines}\nafter\n`);
}, 60_000);
