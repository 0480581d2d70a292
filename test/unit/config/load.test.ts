import { describe, expect, test } from "bun:test";
import { describeProblem, loadConfig, options } from "#config/index.ts";
import { file, load, machine, refuse } from "./support.ts";

describe("defaults", () => {
  test("one share /export on 12049, open to this machine alone", () => {
    const { config, file: read, warnings } = load({});
    expect(read).toBeNull();
    expect(warnings).toEqual([]);
    expect(config.data_dir).toBe("/home/ditto/.local/share/dittofs");
    expect(config.adapters.nfs.port).toBe(12049);
    expect(config.adapters.nfs.bind).toBe("0.0.0.0");
    expect(config.server.shutdown_timeout).toBe(30_000);
    expect(config.shares).toEqual([
      {
        name: "/export",
        metadata: { type: "sqlite", path: "" },
        blocks: { type: "filesystem", path: "", size: 4 * 2 ** 30 },
        durability: "local",
        read_only: false,
        squash: "root_to_guest",
        anonymous_uid: 65534,
        anonymous_gid: 65534,
        allowed_clients: ["127.0.0.0/8", "::1"],
      },
    ]);
  });

  test("the cache takes a quarter of memory up to 1 GiB, dirty data half of it", () => {
    expect(load({}).config.cache.size).toBe(2 ** 30);
    const small = load({ machine: { ...machine, memoryBytes: 2 ** 30 } }).config;
    expect(small.cache.size).toBe(2 ** 28);
    expect(small.cache.dirty_limit).toBe(2 ** 27);
    expect(load({ env: { DITTOFS_CACHE_SIZE: "600MB" } }).config.cache.dirty_limit).toBe(300_000_000);
  });

  test("a large cache is all that has to be asked for: what is not stored has room on the disk for twice what is dirty", () => {
    expect(load({}).config.cache.unstored_limit).toBe(4 * 2 ** 30);
    const large = load({ flags: { "cache.size": "10Gi" } }).config;
    expect(large.cache.dirty_limit).toBe(5 * 2 ** 30);
    expect(large.cache.unstored_limit).toBe(10 * 2 ** 30);
    expect(load({ file: "cache: {size: 64TiB}\n" }).config.cache.unstored_limit).toBe(64 * 2 ** 40);
  });
});

describe("precedence", () => {
  const text = "adapters:\n  nfs:\n    port: 1001\ncache:\n  size: 300MB\nlogging: {level: warn}\n";

  test("flag over environment over file over default", () => {
    const env = { DITTOFS_ADAPTERS_NFS_PORT: "1002", DITTOFS_LOGGING_LEVEL: "error" };
    const loaded = load({ file: text, env, flags: { "adapters.nfs.port": "1003" } });
    expect(loaded.config.adapters.nfs.port).toBe(1003);
    expect(loaded.config.logging.level).toBe("error");
    expect(loaded.config.cache.size).toBe(300_000_000);
    expect(loaded.config.adapters.nfs.bind).toBe("0.0.0.0");
    expect(loaded.origins.get("adapters.nfs.port")).toBe("the flag --nfs-port");
    expect(loaded.origins.get("logging.level")).toBe("the environment variable DITTOFS_LOGGING_LEVEL");
    expect(loaded.origins.get("cache.size")).toEndWith("config.yaml:5");
    expect(load({ file: text, env }).config.adapters.nfs.port).toBe(1002);
    expect(load({ file: text }).config.adapters.nfs.port).toBe(1001);
  });

  test("an empty variable is one that is not set", () => {
    expect(load({ file: text, env: { DITTOFS_ADAPTERS_NFS_PORT: "" } }).config.adapters.nfs.port).toBe(1001);
  });

  test("lists: repeated flags, commas in the environment", () => {
    expect(load({ flags: { allowed_clients: ["10.0.0.0/8", "fd00::/8"] } }).config.shares[0]?.allowed_clients).toEqual(["127.0.0.0/8", "::1", "10.0.0.0/8", "fd00::/8"]);
    expect(load({ env: { DITTOFS_ALLOWED_CLIENTS: "10.0.0.1, 10.0.0.2" } }).config.allowed_clients).toEqual(["10.0.0.1", "10.0.0.2"]);
  });

  test("the address that is listened on is this machine, too", () => {
    const allowed = (bind: string) => load({ flags: { "adapters.nfs.bind": bind } }).config.shares[0]?.allowed_clients;
    expect(allowed("192.168.1.5")).toEqual(["127.0.0.0/8", "::1", "192.168.1.5"]);
    expect(allowed("fe80::5%eth0")).toEqual(["127.0.0.0/8", "::1", "fe80::5"]);
    for (const bind of ["0.0.0.0", "::", "127.0.0.1", "::1"]) expect(allowed(bind)).toEqual(["127.0.0.0/8", "::1"]);
  });

  test("a share's own list of clients stands as it is", () => {
    const shares = "shares: [{name: /a, allowed_clients: [10.0.0.9]}, {name: /b}]";
    const { config } = load({ file: shares, flags: { allowed_clients: ["10.1.0.0/16"] } });
    expect(config.shares[0]?.allowed_clients).toEqual(["10.0.0.9"]);
    expect(config.shares[1]?.allowed_clients).toEqual(["127.0.0.0/8", "::1", "10.1.0.0/16"]);
  });
});

describe("which file", () => {
  const inHome = () => {
    const path = file("adapters: {nfs: {port: 1001}}");
    const { mkdirSync, renameSync } = require("node:fs") as typeof import("node:fs");
    const home = path.replace(/\/config\.yaml$/, "");
    mkdirSync(`${home}/dittofs`);
    renameSync(path, `${home}/dittofs/config.yaml`);
    return { ...machine, configHome: home };
  };
  const port = (flags: Map<string, string>, environment: Record<string, string> = {}) => {
    const loaded = loadConfig({ machine: inHome(), environment, configPath: null, flags });
    return loaded.ok ? loaded.config.adapters.nfs.port : loaded.problems.map(describeProblem);
  };

  test("the one in the configuration directory", () => {
    expect(port(new Map())).toBe(1001);
  });
  test("not read when --data-dir is given without --config", () => {
    expect(port(new Map([["data_dir", "/tmp/x"]]))).toBe(12049);
    expect(port(new Map([["data_dir", "/tmp/x"]]), { DITTOFS_CONFIG: file("adapters: {nfs: {port: 1004}}") })).toBe(1004);
  });
  test("one that is named must be there", () => {
    expect(port(new Map(), { DITTOFS_CONFIG: "/nowhere/c.yaml" })).toEqual(["/nowhere/c.yaml: there is no such file"]);
  });
});

describe("complaints name key, place, what is allowed and what was meant", () => {
  test.each([
    ["adapters:\n  nfs:\n    prot: 1\n", "config.yaml:3: adapters.nfs.prot: unknown key; did you mean port? (allowed here: enabled, port, bind, max_read_size, max_write_size, max_connections, portmapper)"],
    ["adapters:\n  nfs:\n    port: 70000\n", "config.yaml:3: adapters.nfs.port: 70000 is too much; allowed: a whole number from 0 to 65535"],
    ["\n\nlogging: {level: inof}", 'config.yaml:3: logging.level: "inof" is not allowed here; did you mean info?; allowed: debug, info, warn, error'],
    ["server:\n  shutdown_timeout: 30\n", "config.yaml:2: server.shutdown_timeout: 30 is not allowed here; allowed: a duration such as 200ms, 30s, 5m or 1h30m, from 0s to 1h"],
    ["data_dir:\n", "config.yaml:1: data_dir: nothing is not allowed here; allowed: a path"],
    ["allowed_clients: [10.0.0.0/33]", 'config.yaml:1: allowed_clients[0]: "10.0.0.0/33" has no prefix length from 0 to 32; allowed: an address or a range such as 10.0.0.7, 192.168.1.0/24 or fd00::/8'],
    ["shares:\n  - name: /a\n  - {name: /b, squosh: none}\n", "config.yaml:3: shares[1].squosh: unknown key; did you mean squash? (allowed here: name, metadata, blocks, durability, read_only, squash, anonymous_uid, anonymous_gid, allowed_clients)"],
    ["shares:\n  - durability: local\n", "config.yaml:2: shares[0].name: missing; every item needs it"],
    ["shares: []", "config.yaml:1: shares: an empty list is not allowed here; allowed: a list with at least one share, each a mapping with at least a name"],
    ["shares: [{name: export}]", 'config.yaml:1: shares[0].name: "export" does not begin with / and a name; allowed: a path such as /export, at most 255 bytes'],
    ["shares: [{name: /a/../b}]", 'config.yaml:1: shares[0].name: "/a/../b" has an empty, . or .. part; allowed: a path such as /export, at most 255 bytes'],
    ["shares:\n  - name: /a\n  - name: /a\n", "config.yaml:3: shares[1].name: /a is the name of two shares"],
    ["shares:\n  - name: /a\n    durability: remote\n    metadata: {type: memory}\n", "config.yaml:3: shares[0].durability: must not be remote for a share in memory: what is acknowledged in remote outlives the machine, and this ends with the server"],
    ["shares:\n  - {name: /a, durability: remote, blocks: {type: memory}}\n", "config.yaml:2: shares[0].durability: must not be remote for a share in memory: what is acknowledged in remote outlives the machine, and this ends with the server"],
    ["cache:\n  size: 64MiB\n  dirty_limit: 128MiB\n", "config.yaml:3: cache.dirty_limit: must not be above cache.size: what is not stored yet is kept in memory"],
    ["- a\n", `config.yaml:1: a list is not allowed here; allowed: a mapping with ${Object.keys(options).join(", ")}`],
    ["database: {type: postgres}\n", "config.yaml:1: database.postgres.host: missing; a PostgreSQL database needs it"],
    ["controlplane:\n  secret: too short\n", "config.yaml:2: controlplane.secret: a secret of 9 characters is too short; `openssl rand -hex 32` makes a good one; allowed: text of at least 32 characters"],
    ["controlplane:\n  secret: 123456\n", "config.yaml:2: controlplane.secret: this value is not allowed here; allowed: text of at least 32 characters"],
    ["controlplane: {tls: {cert_file: /c}}\n", "config.yaml:1: controlplane.tls.key_file: missing; certificate and key go together"],
    ["controlplane: {tls: {client_ca: /c}}\n", "config.yaml:1: controlplane.tls.client_ca: needs controlplane.tls.cert_file: clients are asked for certificates over HTTPS alone"],
    ["telemetry: {profiling: {profile_types: [cpu, alloc_objects]}}\n", "config.yaml:1: telemetry.profiling.profile_types[1]: there are no profiles of type alloc_objects: the runtime does not count what is allocated, only what is there; allowed: cpu, inuse_objects, inuse_space"],
    ["telemetry: {profiling: {profile_types: [goroutines]}}\n", "config.yaml:1: telemetry.profiling.profile_types[0]: there are no profiles of type goroutines: there are none: one event loop does the work; allowed: cpu, inuse_objects, inuse_space"],
    ["telemetry: {profiling: {profile_types: [inuse_object]}}\n", 'config.yaml:1: telemetry.profiling.profile_types[0]: "inuse_object" is not allowed here; did you mean inuse_objects?; allowed: cpu, inuse_objects, inuse_space'],
    ["telemetry: {profiling: {endpoint: localhost:4040}}\n", 'config.yaml:1: telemetry.profiling.endpoint: "localhost:4040" is no address of a server; allowed: http://HOST:PORT or https://HOST:PORT, maybe with a path'],
    ["telemetry: {profiling: {endpoint: 'https://me:p/w@p:1'}}\n", "config.yaml:1: telemetry.profiling.endpoint: an address with a password in it, which would be shown and logged; allowed: http://HOST:PORT or https://HOST:PORT, maybe with a path"],
    ["telemetry: {profiling: {endpoint: 'https://p:1/?key=pw'}}\n", "config.yaml:1: telemetry.profiling.endpoint: an address with something after its path, where keys may be that would be shown and logged; allowed: http://HOST:PORT or https://HOST:PORT, maybe with a path"],
    ["telemetry: {profiling: {endpoint: 'https://me:pw@p:1'}}\n", "config.yaml:1: telemetry.profiling.endpoint: an address with a password in it, which would be shown and logged; allowed: http://HOST:PORT or https://HOST:PORT, maybe with a path"],
    ["telemetry:\n  endpoint: http://localhost:4317\n", 'config.yaml:2: telemetry.endpoint: "http://localhost:4317" has a scheme in front; allowed: HOST:PORT, such as localhost:4317, 10.0.0.7:4317 or [fd00::7]:4317'],
    ["telemetry: {endpoint: 'me:pw@localhost:4317'}\n", "config.yaml:1: telemetry.endpoint: an address with a password in it, which would be shown and logged; allowed: HOST:PORT, such as localhost:4317, 10.0.0.7:4317 or [fd00::7]:4317"],
    ["telemetry: {endpoint: localhost}\n", 'config.yaml:1: telemetry.endpoint: "localhost" is no host and port; allowed: HOST:PORT, such as localhost:4317, 10.0.0.7:4317 or [fd00::7]:4317'],
    ["telemetry: {sample_rate: 1.5}\n", "config.yaml:1: telemetry.sample_rate: 1.5 is too much; allowed: a number from 0 to 1"],
    ["telemetry: {sample_rate: often}\n", 'config.yaml:1: telemetry.sample_rate: "often" is not allowed here; allowed: a number from 0 to 1'],
    ["a: 1\na: 2\n", "config.yaml:2: Map keys must be unique"],
  ])("%p", (text, complaint) => {
    expect(refuse({ file: text })[0]).toBe(complaint);
  });

  test("every mistake is told at once", () => {
    expect(refuse({ file: "a: 1\nb: 2\ncache: {size: x}\n" })).toHaveLength(3);
  });

  test("flags and variables by their names", () => {
    expect(refuse({ flags: { "adapters.nfs.port": "x" } })[0]).toStartWith('the flag --nfs-port: adapters.nfs.port: "x" is not allowed here');
    expect(refuse({ env: { DITTOFS_CACHE_SIZE: "1 pound" } })[0]).toStartWith('the environment variable DITTOFS_CACHE_SIZE: cache.size: "1 pound" is not allowed here');
  });

  test("an unknown variable is a warning", () => {
    expect(load({ env: { DITTOFS_CACHE_SIZ: "1GB", OTHER: "1" } }).warnings).toEqual([
      "the environment variable DITTOFS_CACHE_SIZ is none of ours and is ignored; did you mean DITTOFS_CACHE_SIZE?",
    ]);
  });

  test("what forgets is a warning", () => {
    const { warnings } = load({ file: "shares: [{name: /a, metadata: {type: memory}}, {name: /b, blocks: {type: memory}, durability: writeback}]" });
    expect(warnings.map((one) => one.slice(0, 30))).toEqual(["share /a: metadata.type is mem", "share /b: blocks.type is memor", "share /b: durability is writeb"]);
  });
});
