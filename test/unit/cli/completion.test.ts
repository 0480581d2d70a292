import { beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
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

test("powershell's tables name nothing twice: it would refuse the whole script", async () => {
  const { out } = await dittofs(["completion", "powershell"]);
  for (const block of out.split(/\n {2}\$values = /)) {
    const keys = [...block.matchAll(/^ {4}'(.*?)' = @\(/gm)].map((one) => (one[1] as string).toLowerCase());
    expect(keys.length).toBeGreaterThan(60);
    expect(new Set(keys).size).toBe(keys.length);
  }
});

test("every shell's script names every command; another shell is wrong usage", async () => {
  for (const shell of Object.keys(scripts)) {
    const { out } = await dittofs(["completion", shell]);
    for (const word of ["start", "validate", "completion", "nfs-port", "add-member", "mount-info"]) expect(out).toContain(word);
  }
  expect((await dittofs(["completion", "tcsh"])).status).toBe(2);
});
