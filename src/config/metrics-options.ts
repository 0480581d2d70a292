import { checkHost } from "./checks.ts";
import { integer, section, text, toggle } from "./option.ts";

/** Where metrics are read. */
export const metricsOptions = section("Numbers for Prometheus, at /metrics.", {
  enabled: toggle({ help: "Whether metrics are kept and served. Off, they cost nothing.", default: false, example: "true", since: "0.1.0" }),
  host: text({
    help: "Address to listen on. Who reaches it reads the names of shares and what is done with them: no password is asked for.",
    default: "127.0.0.1",
    example: "0.0.0.0",
    since: "0.1.0",
    allowed: "an IPv4 or IPv6 address, or localhost",
    check: checkHost,
  }),
  port: integer({ help: "TCP port of the metrics; 0 takes a free one.", min: 0, max: 65535, default: 9090, example: "9464", since: "0.1.0" }),
});
