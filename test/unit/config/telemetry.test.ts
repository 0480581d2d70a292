import { expect, test } from "bun:test";
import { load, refuse } from "./support.ts";

const endpoint = (value: string) => ({ file: `telemetry:\n  endpoint: ${JSON.stringify(value)}\n` });

test("traces are off, to a collector on this machine, and of every request", () => {
  expect(load({}).config.telemetry).toEqual({ enabled: false, endpoint: "localhost:4317", insecure: true, sample_rate: 1, max_traces_per_second: 200, profiling: { enabled: false, endpoint: "http://localhost:4040", profile_types: ["cpu"] } });
});

test.each(["otel:4317", "collector.example.org:1", "otel_collector-1:65535", "10.0.0.7:4317", "[fd00::7]:4317", "[::1]:4317"])("%p is where a collector may listen", (value) => {
  expect(load(endpoint(value)).config.telemetry.endpoint).toBe(value);
});

test.each(["", ":4317", "otel:", "otel:0", "otel:65536", "otel:4317/path", "a b:4317", "fd00::7:4317", "[10.0.0.7]:4317", "[otel]:4317", "-a:1", "a..b:1", "https://otel:4317"])("%p is refused with its key", (value) => {
  expect(refuse(endpoint(value))[0]).toStartWith(`config.yaml:2: telemetry.endpoint: ${JSON.stringify(value)}`);
});

test.each([["0", 0], ["1", 1], ["0.01", 0.01], [".5", 0.5]] as const)("a part %p of the requests can be asked for", (given, rate) => {
  expect(load({ env: { DITTOFS_TELEMETRY_SAMPLE_RATE: given } }).config.telemetry.sample_rate).toBe(rate);
});

test.each(["-0.1", "1.01", "1e-2", "1%", "NaN"])("a part %p can't", (given) => {
  expect(refuse({ env: { DITTOFS_TELEMETRY_SAMPLE_RATE: given } })[0]).toContain("DITTOFS_TELEMETRY_SAMPLE_RATE: telemetry.sample_rate: ");
});
