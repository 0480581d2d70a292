import { checkEndpoint } from "./checks.ts";
import { fraction, integer, section, text, toggle } from "./option.ts";
import { profilingOptions } from "./profiling-options.ts";

const traces = {
  enabled: toggle({ help: "Send traces to an OpenTelemetry collector, over OTLP gRPC.", default: false, example: "true", since: "0.1.0" }),
  endpoint: text({
    help: "Where the collector listens.",
    default: "localhost:4317",
    example: "otel-collector:4317",
    since: "0.1.0",
    allowed: "HOST:PORT, such as localhost:4317, 10.0.0.7:4317 or [fd00::7]:4317",
    check: checkEndpoint,
  }),
  insecure: toggle({ help: "Without TLS. With it, the collector has to have a certificate of an authority that is trusted, as those in the file are that NODE_EXTRA_CA_CERTS names.", default: true, example: "false", since: "0.1.0" }),
  sample_rate: fraction({
    help: "The part of the clients' requests that is followed, drawn at random. A request that is not followed costs next to nothing.",
    default: 1,
    example: "0.01",
    since: "0.1.0",
  }),
  max_traces_per_second: integer({
    help: "So many requests are followed in a second at most, whatever their part: to follow one costs more than to answer it, if it is a simple one.",
    min: 1,
    max: 1_000_000,
    default: 200,
    example: "2000",
    since: "0.1.0",
  }),
};

export const telemetryOptions = section("What tools of others are told of what the server does; docs/observability.md tells more.", { ...traces, profiling: profilingOptions });
