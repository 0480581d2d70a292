import { Glob } from "bun";
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { SourceFile } from "./rule.ts";

export const projectRoot = resolve(import.meta.dir, "../..");

const binary = new Glob("**/*.{png,jpg,ico,gz,zst,bin,so,sqlite,woff2}");

/** What `.gitignore` keeps out, read as globs: the rules judge what is committed or about to be. */
async function ignored(): Promise<readonly Glob[]> {
  const lines = (await Bun.file(join(projectRoot, ".gitignore")).text()).split("\n").filter((line) => line.trim() !== "");
  return lines.flatMap((line) => {
    const inner = line.replace(/^\//, "").replace(/\/$/, "");
    return [new Glob(inner), new Glob(`${inner}/**`), new Glob(`**/${inner}`), new Glob(`**/${inner}/**`)];
  });
}

/** Every text file of the project. */
export async function readProject(): Promise<readonly SourceFile[]> {
  const outside = [new Glob(".git"), new Glob(".git/**"), binary, ...(await ignored())];
  const files: SourceFile[] = [];
  for await (const path of topDown(outside)) files.push({ path, text: await Bun.file(join(projectRoot, path)).text() });
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function* topDown(outside: readonly Glob[], folder = ""): AsyncGenerator<string> {
  for (const entry of await readdir(join(projectRoot, folder), { withFileTypes: true })) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (outside.some((glob) => glob.match(path))) continue;
    if (entry.isDirectory()) yield* topDown(outside, path);
    else if (entry.isFile()) yield path;
  }
}
