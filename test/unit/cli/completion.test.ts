import { beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { powershellCompletion } from "#cli/completion.ts";
import { table, tokens } from "./powershell.ts";
import { dittofs } from "./support.ts";
import { temporary } from "../../support/temporary.ts";

const directory = temporary("completion");
const scripts = { bash: join(directory, "dittofs.bash"), zsh: join(directory, "_dittofs"), fish: join(directory, "dittofs.fish"), powershell: join(directory, "dittofs.ps1") } as const;

beforeAll(async () => {
  for (const [shell, path] of Object.entries(scripts)) writeFileSync(path, (await dittofs(["completion", shell])).out);
});

/** What bash offers for the last of these words. */
function bash(...line: readonly string[]): readonly string[] {
  const program = `cd ${directory}; source ${scripts.bash}; COMP_WORDS=(${line.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${line.length - 1}; _dittofs; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return Bun.spawnSync(["bash", "-c", program]).stdout.toString().trim().split("\n");
}

describe("bash", () => {
  test("offers commands, flags and values", () => {
    expect(bash("dittofs", "st")).toEqual(["start", "stop", "status", "store"]);
    expect(bash("dittofs", "config", "s")).toEqual(["show", "schema"]);
    expect(bash("dittofs", "start", "--nfs-po")).toEqual(["--nfs-port", "--nfs-portmapper-enabled", "--nfs-portmapper-port"]);
    expect(bash("dittofs", "start", "--nfs-port", "1", "--all")).toEqual(["--allow"]);
    expect(bash("dittofs", "status", "--output", "")).toEqual(["table", "json", "yaml"]);
    expect(bash("dittofs", "user", "list", "-o", "")).toEqual(["table", "json", "yaml"]);
    expect(bash("dittofs", "share", "create", "--squash", "root")).toEqual(["root_to_guest", "root_to_admin"]);
  });
  test("goes on after arguments and flags that stand alone", () => {
    expect(bash("dittofs", "share", "edit", "/export", "--squ")).toEqual(["--squash"]);
    expect(bash("dittofs", "share", "create", "--read-only", "--dura")).toEqual(["--durability"]);
    expect(bash("dittofs", "share", "permission", "grant", "/export", "--lev")).toEqual(["--level"]);
  });
  test("knows the other names of a command", () => {
    expect(bash("dittofs", "user", "remove", "alice", "--for")).toEqual(["--force"]);
  });
  test("offers files where one is meant, and nothing where nobody can guess", () => {
    expect(bash("dittofs", "start", "--config", "ditt").toSorted()).toEqual(["dittofs.bash", "dittofs.fish", "dittofs.ps1"]);
    expect(bash("dittofs", "user", "create", "--uid", "ditt")).toEqual([""]);
    // The same flag is a file of one command and a format of others.
    expect(bash("dittofs", "backup", "controlplane", "--output", "dittofs.b")).toEqual(["dittofs.bash"]);
  });
});

// Needs fish: without it there is nobody to ask.
test.skipIf(Bun.which("fish") === null)("fish offers commands, flags and values", () => {
  const fish = (line: string) => {
    const ran = Bun.spawnSync(["fish", "--no-config", "-c", `source ${scripts.fish}; complete -C ${JSON.stringify(line)}`], { env: { ...Bun.env, HOME: directory, XDG_CONFIG_HOME: directory, XDG_DATA_HOME: directory } });
    return ran.stdout.toString().trim().split("\n").map((one) => one.split("\t")[0]);
  };
  expect(fish("dittofs st")).toEqual(["start", "status", "stop", "store"]);
  expect(fish("dittofs share edit /export --squ")).toEqual(["--squash"]);
  expect(fish("dittofs share create --squash root_")).toEqual(["root_to_admin", "root_to_guest"]);
});

// Needs zsh: without it there is nobody to ask.
test.skipIf(Bun.which("zsh") === null)("zsh takes its script, and finds the command that is meant", () => {
  const program = `fpath=(${directory}); autoload -Uz _dittofs; _describe() { print -l $1 "\${(@P)2}"; }
    words=(dittofs share edit /export ''); CURRENT=5; _dittofs`;
  const ran = Bun.spawnSync(["zsh", "-f", "-c", program]);
  expect(ran.stderr.toString()).toBe("");
  expect(ran.stdout.toString()).toContain("--squash:how the user ids of clients are taken\n");
});

describe("powershell, which is not to be had here: its script is read by its grammar", () => {
  /** Every command there is and its flags, from another shell's script, which that shell runs above. */
  const everything = async (): Promise<ReadonlyMap<string, readonly string[]>> => {
    const { out } = await dittofs(["completion", "fish"]);
    const flags = new Map<string, string[]>();
    const known = /^set -g __dittofs_known (.*)$/m.exec(out)?.[1] ?? "";
    for (const [, path = ""] of known.matchAll(/' ([^']*)'/g)) flags.set(path, []);
    for (const line of out.split("\n")) {
      const path = /-n '__dittofs_at '\\''([^']*)'\\'''/.exec(line)?.[1];
      const flag = / -l (\S+)/.exec(line)?.[1];
      if (path !== undefined && flag !== undefined) flags.set(path, [...(flags.get(path) ?? []), `--${flag}`]);
    }
    return flags;
  };

  test("quotes and brackets are in pairs, no key comes twice, and nothing is of a code page", async () => {
    const { out } = await dittofs(["completion", "powershell"]);
    const read = tokens(out);
    expect(table(read, "$words").size).toBeGreaterThan(60);
    expect(table(read, "$values").size).toBeGreaterThan(60);
    // Windows PowerShell reads a file without a mark as of the machine's code page.
    expect(/[^\n\x20-\x7e]/.exec(out)?.[0]).toBeUndefined();
  });

  test("it registers as the documentation has it: -Native, word, tree and cursor, and results of text, item, type and tip", async () => {
    const read = tokens((await dittofs(["completion", "powershell"])).out);
    const words = read.map(({ text }) => text);
    expect(words.slice(0, 13)).toEqual(["Register-ArgumentCompleter", "-Native", "-CommandName", "dittofs", "-ScriptBlock", "{", "param", "(", "$current", ",", "$ast", ",", "$cursor"]);
    const made = words.indexOf("System.Management.Automation.CompletionResult");
    expect(words.slice(made - 1, made + 13)).toEqual(["[", "System.Management.Automation.CompletionResult", "]", "::", "new", "(", "$word", ",", "$word", ",", "ParameterValue", ",", "$help", ")"]);
    // What is read was given before.
    const given = new Set(["$_", "$current", "$ast", "$cursor", "$element", "$null"]);
    for (const [i, { kind, text }] of read.entries()) {
      if (kind !== "variable") continue;
      if (words[i + 1] === "=" || (words[i + 1] === "," && words[i + 3] === "=")) given.add(text);
      expect([...given]).toContain(text);
    }
  });

  test("every command and every flag is in it, each with a tip, which must not be empty", async () => {
    const offered = table(tokens((await dittofs(["completion", "powershell"])).out), "$words");
    const all = await everything();
    expect(all.size).toBeGreaterThan(60);
    for (const [path, flags] of all) {
      const entries = (offered.get(path) ?? []).map((entry) => [entry.slice(0, entry.indexOf("|")), entry.slice(entry.indexOf("|") + 1)] as const);
      expect([path, flags.filter((flag) => !entries.some(([word]) => word === flag))]).toEqual([path, []]);
      expect([path, entries.filter(([word, help]) => word === "" || help.trim() === "")]).toEqual([path, []]);
      expect(offered.has(path.split(" ").slice(0, -1).join(" "))).toBe(true);
    }
    expect([...offered.keys()].filter((path) => path !== "" && !all.has(path))).toEqual([]);
  });

  test("whatever a help text holds stays in its text", () => {
    const help = "it's \u2018curved\u2019, \u201alow\u201b $(danger) `tick` | \"double\" #no {brace}";
    const script = powershellCompletion([{ words: [], next: [{ word: "run", help }], flags: [{ names: ["--of"], takes: "values", help, values: ["a'b", "c\u2019d"] }] }, { words: ["run"], next: [], flags: [] }]);
    const read = tokens(script);
    expect(table(read, "$words").get("")).toEqual([`run|${help}`, `--of|${help}`]);
    expect(table(read, "$values").get("--of")).toEqual(["a'b|a'b", "c\u2019d|c\u2019d"]);
    for (const broken of [script.replace("''", "'"), script.replace("\u2018\u2018", "\u2018"), script.slice(0, -3), script.replace("@(", "@{")]) expect(() => table(tokens(broken), "$values")).toThrow();
  });
});

test("every shell's script names every command; another shell is wrong usage", async () => {
  for (const shell of Object.keys(scripts)) {
    const { out } = await dittofs(["completion", shell]);
    for (const word of ["start", "validate", "completion", "nfs-port", "add-member", "mount-info"]) expect(out).toContain(word);
  }
  expect((await dittofs(["completion", "tcsh"])).status).toBe(2);
});
