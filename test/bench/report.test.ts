import { describe, expect, test } from "bun:test";
import { type Sample, median } from "./measure.ts";
import { spentByFunction } from "./profile.ts";
import { boundTable, controlSection, figuresOf, markdown, page, plain, reached, sectionHeadings, sectionIn, tableOf, smbSection, withRows, withSection, withSmbRows } from "./report.ts";
import { smbWorkloads } from "./smb.ts";
import { workloadsNamed } from "./workloads.ts";

const sample = (changes: Partial<Sample>): Sample => ({
  ops_s: 1000,
  mb_s: 10,
  p50_us: 100,
  p99_us: 200,
  max_us: 300,
  errors: 0,
  verify_bad: 0,
  cli_cpu: 0.5,
  srv_cpu: 0.5,
  secs: 1,
  ops: 1000,
  ...changes,
});
const controlHeading = sectionHeadings.find((heading) => heading.includes("control plane")) as string;
const [getattr, create, seqread, one] = workloadsNamed(["getattr", "create", "seqread", "getattr_one"]);

describe("figures", () => {
  test("are medians over the rounds, in the unit of the workload", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    const samples = [sample({ ops_s: 1, mb_s: 5 }), sample({ ops_s: 3, mb_s: 7 }), sample({ ops_s: 2, mb_s: 6, errors: 2 })];
    expect(figuresOf(getattr!, samples)).toMatchObject({ rate: 2, perCpu: 4, bad: 2 });
    expect(figuresOf(seqread!, samples).rate).toBe(6);
    expect(figuresOf(getattr!, [sample({ srv_cpu: 0 })]).perCpu).toBeNaN();
  });

  test("reach a target in each of its parts, without errors, or not at all", () => {
    const row = (workload: typeof getattr, ours: Partial<Sample>, peer: Partial<Sample>) =>
      reached({ workload: workload!, ours: figuresOf(workload!, [sample(ours)]), peer: figuresOf(workload!, [sample(peer)]) });
    expect(row(getattr, { ops_s: 8000 }, {})).toBe(true);
    expect(row(getattr, { ops_s: 7900 }, {})).toBe(false);
    expect(row(getattr, { ops_s: 3900, srv_cpu: 0.1 }, {})).toBe(false);
    expect(row(create, { ops_s: 4000 }, {})).toBe(true);
    expect(row(create, { ops_s: 4000, errors: 1 }, {})).toBe(false);
    expect(row(one, { p50_us: 100 }, {})).toBe(true);
    expect(row(one, { p50_us: 101 }, {})).toBe(false);
    expect(reached({ workload: getattr!, ours: null, peer: null })).toBeNull();
  });

  test("are printed for a terminal and as a page", () => {
    const rows = [{ workload: create!, ours: figuresOf(create!, [sample({})]), peer: figuresOf(create!, [sample({ ops_s: 500 })]) }];
    expect(plain(tableOf(rows))).toContain("2.00×");
    expect(markdown(tableOf(rows)).split("\n")).toHaveLength(3);
    const bounds = [{ what: "lag", value: 30, unit: "ms", most: 20 }];
    const text = page({ machine: ["a machine"], date: "2026-01-01", command: "c", peerName: "peer", rounds: 3, seconds: "1 s", rows, bounds, limits: null });
    expect(text).toContain("- **create**:");
    expect(text).toContain("- **lag**:");
  });
});

test("rows measured again take the place of those of the same workloads, with what is said of them", () => {
  const rowOf = (workload: typeof getattr, ops: number) => ({ workload: workload!, ours: figuresOf(workload!, [sample({ ops_s: ops })]), peer: figuresOf(workload!, [sample({})]) });
  const about = { machine: ["a machine", "load average at the start: 0"], date: "2026-01-01", command: "c", peerName: "peer", rounds: 3, seconds: "1 s", bounds: [{ what: "lag of it", value: 30, unit: "ms", most: 20 }], limits: null };
  const before = page({ ...about, rows: [rowOf(getattr, 100), rowOf(create, 100)] });
  const again = withRows(before, { ...about, command: "d", rows: [rowOf(create, 9000)] });
  expect(again.match(/^\| (getattr|create) .*$/gm)).toEqual([before.match(/^\| getattr .*$/m)![0], `| ${tableOf([rowOf(create, 9000)])[1]!.join(" | ")} |`]);
  expect(again.match(/^- \*\*.*?\*\*/gm)).toEqual(["- **getattr**", "- **lag of it**"]);
  expect(again).toContain("Measured again by `d` on 2026-01-01, medians of 3 rounds of 1 s each, at a load average at the start: 0: create.");
  const later = withRows(again, { ...about, command: "e", rows: [rowOf(getattr, 9000), rowOf(create, 100)] });
  expect(later.match(/^Measured again by `.`/gm)).toEqual(["Measured again by `e`"]);
  expect(later.match(/^- \*\*.*?\*\*/gm)).toEqual(["- **create**", "- **lag of it**"]);
  expect(later.replace(/^Measured.*\n\n/m, "").split("\n").length).toBe(before.split("\n").length - 1);
});

test("the section about SMB keeps what was not measured again, and rows of NFS keep clear of it", () => {
  const rowOf = (name: string, ops: number) => {
    const workload = smbWorkloads.find((each) => each.name === name)!;
    return { workload, ours: figuresOf(workload, [sample({ ops_s: ops })]), peer: figuresOf(workload, [sample({})]) };
  };
  const about = { machine: ["a machine", "load average at the start: 0"], date: "2026-01-01", command: "c", rounds: 3, seconds: null };
  const section = smbSection({ ...about, signed: [rowOf("open", 100), rowOf("create", 100)], encrypted: [rowOf("open", 7)] });
  const before = `# Benchmarks\n\n${section}\n## Other\n\n| open | 1 |\n`;
  const again = withSmbRows(before, { ...about, command: "d", signed: [rowOf("open", 9000)], encrypted: [] });
  const row = (text: string, name: string): readonly string[] => text.match(new RegExp(`^\\| ${name} .*$`, "gm")) ?? [];
  expect(row(again, "open")).toEqual([`| ${tableOf([rowOf("open", 9000)])[1]!.join(" | ")} |`, row(before, "open")[1]!, "| open | 1 |"]);
  expect(row(again, "create")).toEqual(row(before, "create"));
  expect(again.match(/^- \*\*.*?\*\*/gm)).toEqual(["- **create**"]);
  expect(again).toContain("Measured again by `d` on 2026-01-01, medians of 3 rounds of 1 s (after 2 s of each that are not counted) each, at a load average at the start: 0: open.");
  const more = withSmbRows(before, { ...about, signed: [rowOf("querydir", 9000)], encrypted: [] });
  expect([row(more, "querydir").length, row(more, "open"), row(more, "create")]).toEqual([1, row(before, "open"), row(before, "create")]);
  expect(more).toContain("; `querydir` QUERY_DIRECTORY over 100,000 entries, 64 KiB answers.");
  const sealed = withSmbRows(again, { ...about, command: "f", signed: [], encrypted: [rowOf("create", 9)] });
  expect([row(sealed, "open").length, row(sealed, "create").at(-1), sealed.match(/encrypted by AES-128-GCM instead of signed, by `f`/g)?.length]).toEqual([2, `| ${tableOf([rowOf("create", 9)])[1]!.join(" | ")} |`, 1]);
  const worse = withSmbRows(again, { ...about, command: "e", signed: [rowOf("open", 100)], encrypted: [] });
  expect(worse.match(/^- \*\*.*?\*\*/gm)).toEqual(["- **open**", "- **create**"]);
  expect(worse.match(/^Measured again by `.`/gm)).toEqual(["Measured again by `e`"]);
  expect(withSmbRows("# Benchmarks\n", { ...about, signed: [rowOf("open", 100)], encrypted: [] })).toContain("| open |");
  const nfs = { ...about, seconds: "1 s", rows: [{ ...rowOf("create", 9000), workload: create! }] };
  expect(withRows(before, nfs)).toBe(before);
});

describe("the control plane's section", () => {
  const sectionOf = (value: number) => controlSection({ machine: ["a machine"], date: "2026-01-01", command: "c", rounds: 3, bounds: [{ what: "GET", value, unit: "a CPU-second", most: null, least: 2000 }] });

  test("judges what has a least value", () => {
    expect(boundTable([{ what: "w", value: 1999, unit: "u", most: null, least: 2000 }])[1]).toContain("**no**");
    expect(boundTable([{ what: "w", value: 2000, unit: "u", most: null, least: 2000 }])[1]).toContain("yes");
    expect(boundTable([{ what: "w", value: 1, unit: "u", most: null }])[1]?.[4]).toBe("");
    const judged = (value: number, interval: readonly [number, number]) => boundTable([{ what: "w", value, unit: "%", most: 5, interval }])[1]?.[4];
    expect(judged(4, [3, 5])).toBe("yes");
    expect(judged(4, [3, 5.1])).toBe("not decided: interval crosses");
    expect(judged(6, [5, 7])).toBe("not decided: interval crosses");
    expect(judged(6, [5.1, 7])).toBe("**no**");
    expect(boundTable([{ what: "w", value: 2, unit: "×", most: null, least: 2, interval: [1.9, 2.5] }])[1]?.[4]).toBe("not decided: interval crosses");
  });

  test("takes the place of the old one and leaves the rest of the page alone", () => {
    const before = "# Benchmarks\n\n## One\n\n1\n";
    const with1 = withSection(before, sectionOf(1));
    expect(with1).toBe(`${before}\n${sectionOf(1)}`);
    expect(withSection(with1, sectionOf(2))).toBe(`${before}\n${sectionOf(2)}`);
    const amid = `${with1}\n## Two\n\n2\n`;
    expect(withSection(amid, sectionOf(2))).toBe(`${before}\n${sectionOf(2)}\n## Two\n\n2\n`);
    expect(withSection(before, sectionIn(amid, controlHeading)).trimEnd()).toBe(with1.trimEnd());
    expect(withSection(before, sectionIn(before, controlHeading))).toBe(before);
  });
});

test("a profile is folded by function, within the time that was measured", () => {
  const frame = (functionName: string) => ({ functionName, url: "", lineNumber: -1 });
  const profile = {
    nodes: [
      { id: 1, callFrame: frame("root"), children: [2] },
      { id: 2, callFrame: frame("a"), children: [3] },
      { id: 3, callFrame: frame("b"), children: [4] },
      { id: 4, callFrame: frame("a") },
    ],
    startTime: 0,
    samples: [2, 4, 3, 3],
    timeDeltas: [10, 10, 10, 1000],
  };
  const { samples, functions } = spentByFunction(profile, 5, 500);
  expect(samples).toBe(3);
  expect(functions).toEqual([
    { place: "a", self: 2, total: 3 },
    { place: "b", self: 1, total: 2 },
    { place: "root", self: 0, total: 3 },
  ]);
});
