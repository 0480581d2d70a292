import { contract } from "#api/contract/index.ts";
import { ExitStatus } from "../../ports.ts";
import { CommandFailure, UsageError, type Verb } from "../../remote/index.ts";

export const removeMember: Verb = {
  name: "remove-member",
  route: contract.netgroups.show,
  summary: "Take a member out of a netgroup, by its id or its value.",
  examples: ["dittofs netgroup remove-member lab --value 192.168.1.0/24", "dittofs netgroup remove-member lab --member-id 7"],
  args: [{ name: "<name>", help: "the netgroup" }],
  flags: [
    { flags: "--member-id <id>", help: "its id, as netgroup show has it" },
    { flags: "--value <value>", help: "its value" },
  ],
  async run(call) {
    const session = call.session();
    const { name } = call.params<{ name: string }>();
    const value = call.text("value");
    const given = call.text("member-id");
    if ((given === null) === (value === null)) throw new UsageError(given === null ? "--member-id or --value is missing" : "--member-id and --value are one too many");
    const id = given ?? (await session.call(contract.netgroups.show, { params: { name } })).members.find((member) => member.value === value)?.id;
    if (id === undefined) throw new CommandFailure(ExitStatus.notFound, `the netgroup ${name} has no member ${value}`, `dittofs netgroup show ${name}`);
    await session.call(contract.netgroups.removeMember, { params: { name, id } });
    call.done(`removed ${value ?? `the member ${id}`} from the netgroup ${name}`);
  },
};
