import { contract, type Reply } from "#api/contract/index.ts";
import { ExitStatus } from "../../ports.ts";
import { CommandFailure, type Verb } from "../../remote/index.ts";
import { printable } from "../../table.ts";
import { shareArgument } from "./fields.ts";

const systems = ["linux", "macos", "windows"] as const;
const systemNames = { linux: "Linux", macos: "macOS", windows: "Windows" } as const;
type Info = Reply<typeof contract.shares.mountInfo>;

export const mountInfo: Verb = {
  name: "mount-info",
  route: contract.shares.mountInfo,
  summary: "Print the lines that mount a share on Linux, macOS and Windows.",
  examples: ["dittofs share mount-info /export", "sudo sh -c \"$(dittofs share mount-info /export --os linux --protocol nfs)\""],
  args: [shareArgument],
  flags: [
    { flags: "--host <name>", help: "how clients reach the server (default: as this command does)", field: "host" },
    { flags: "--os <name>", help: "the line for this system alone, and nothing else", choices: systems },
    { flags: "--protocol <word>", help: "the lines of this protocol alone", choices: ["nfs", "smb"] },
  ],
  async run(call) {
    const session = call.session();
    const host = call.text("host") ?? new URL(session.server).hostname.replaceAll(/[[\]]/g, "");
    const info = await session.call(contract.shares.mountInfo, { params: call.params(), query: { host } });
    if (call.format !== "table") return call.show(info);
    const protocols = (["nfs", "smb"] as const).filter((one) => [null, one].includes(call.text("protocol") as null) && info[one] !== null);
    if (protocols.length === 0) throw new CommandFailure(ExitStatus.conflict, `${info.share} is not served${call.text("protocol") === null ? "" : ` over ${call.text("protocol")}`}`, "dittofs share show and dittofs adapter list say what is enabled");
    const os = call.text("os") as (typeof systems)[number] | null;
    call.terminal.out(protocols.map((protocol) => lines(info, protocol, os)).join(os === null ? "\n" : ""));
  },
};

function lines(info: Info, protocol: "nfs" | "smb", os: (typeof systems)[number] | null): string {
  const of = info[protocol];
  if (of === null) return "";
  if (os !== null) return `${printable(of[os])}\n`;
  const shown = systems.map((system) => `  ${systemNames[system].padEnd(8)} ${printable(of[system])}\n`);
  if ("smbclient" in of) shown.push(`  ${"smbclient".padEnd(8)} ${printable(of.smbclient)}\n`);
  return `${printable(info.share)} over ${protocol.toUpperCase()}\n${shown.join("")}`;
}
