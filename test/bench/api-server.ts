import { contract } from "../../src/api/contract/index.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { serveApi } from "../support/api-server.ts";
import { fakeRuntime } from "../support/fake-control.ts";
import { adminPassword, realControl } from "../support/real-control.ts";

/** The process test/bench/api.ts measures: the REST interface over the control plane on SQLite, with some users and shares in it. */

const runtime = fakeRuntime();
const real = await realControl(runtime, silentLogger);
const server = await serveApi(real.control, runtime, silentLogger);
const { access_token: token } = await server.client(null).call(contract.auth.login, { body: { username: "admin", password: adminPassword } });
const admin = server.client(token);
for (let i = 0; i < 100; i++) await admin.call(contract.users.create, { body: { username: `user${i}`, password: "correct horse" } });
for (let i = 0; i < 20; i++) await admin.call(contract.shares.create, { body: { name: `/share${i}` } });

process.on("message", (message) => {
  if (message === "cpu") process.send?.({ cpu: process.cpuUsage() });
  else void server.listener.stop(0).then(() => real.close()).then(() => process.exit(0));
});
process.send?.({ port: server.listener.port, token });
