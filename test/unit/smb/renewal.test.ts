import { expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { ShareTable } from "#vfs/share-table.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { policyOf } from "../../support/policy.ts";
import { createBody } from "../../support/smb-client.ts";
import { smbServer } from "../../support/smb-server.ts";
import { file, openWorld, root } from "../vfs/kit.ts";

const guestsLetIn = { smb: { encryption: "off", guest: true, continuouslyAvailable: false } } as const;

for (const [whom, password] of [["stranger", "x"], ["", ""], ["bob", "secret"]] as const) {
  test(`nobody becomes another by proving again who he is: ${whom === "" ? "nobody" : whom}`, async () => {
    // Its anonymous user is root, so guests never get in; another share lets them log in.
    const closed = await openWorld({ policy: policyOf({ anonymousUid: 0, anonymousGid: 0 }), clock: systemClock });
    const open = await openWorld({ name: "/open", policy: policyOf(guestsLetIn), clock: systemClock });
    const server = await smbServer({ shares: new ShareTable([closed.share, open.share]) }, {}, closed);
    try {
      await file(closed.share, "shadow", 0o600, root);
      const client = await server.client({ dialects: [0x311] });
      client.signs = true;
      expect((await client.treeConnect("export")).status).toBe(0);
      const create = async (): Promise<number> => (await client.call(Command.CREATE, createBody("shadow", { disposition: 1 }), { treeId: client.treeId })).status;
      expect(await create()).toBe(NtStatus.ACCESS_DENIED);
      const keys = client.keys!;
      const again = await client.login(whom, password, { sessionId: client.sessionId, signWith: keys.signing });
      client.keys = keys;
      expect(again.status).toBe(NtStatus.ACCESS_DENIED);
      // He did not prove to be who he was, and loses what he had.
      expect(await create()).toBe(NtStatus.USER_SESSION_DELETED);
      expect(server.state.sessions.size).toBe(0);
    } finally {
      await server.stop();
    }
  });
}
