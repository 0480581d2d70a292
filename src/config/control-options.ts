import { resolve } from "node:path";
import { checkHost, checkSecret } from "./checks.ts";
import { choice, duration, integer, section, text, texts } from "./option.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const hostNamePattern = "^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$";

/** What the control plane needs to start. */
export const controlOptions = {
  database: section("Where users, groups, shares, stores, adapters, permissions and settings are kept: the control plane.", {
    type: choice({
      help: "sqlite keeps them in a file of this machine; postgres in a PostgreSQL database that several servers may share.",
      of: ["sqlite", "postgres"],
      default: "sqlite",
      example: "postgres",
      since: "0.1.0",
    }),
    sqlite: section("The control plane in SQLite.", {
      path: text({
        help: "The database file.",
        default: {
          text: "controlplane.db in data_dir where that isn't the usual one, else $XDG_CONFIG_HOME/dittofs/controlplane.db",
          from: (machine, earlier) => {
            const dataDirectory = resolve(earlier("data_dir") as string);
            return dataDirectory === resolve(machine.dataHome, "dittofs") ? `${machine.configHome}/dittofs/controlplane.db` : `${dataDirectory}/controlplane.db`;
          },
        },
        example: "/var/lib/dittofs/controlplane.db",
        since: "0.1.0",
        allowed: "a path",
        check: (value) => (value === "" ? "an empty path" : null),
      }),
    }),
    postgres: section("The control plane in PostgreSQL.", {
      host: text({ help: "Host name or address of the database server, or the directory of its socket.", default: "", example: "db.example.com", since: "0.1.0", allowed: "a host name, an address or a path" }),
      port: integer({ help: "Its TCP port.", min: 1, max: 65535, default: 5432, example: "5432", since: "0.1.0" }),
      database: text({ help: "Name of the database.", default: "", example: "dittofs", since: "0.1.0", allowed: "a name" }),
      user: text({ help: "The user to log in as.", default: "", example: "dittofs", since: "0.1.0", allowed: "a name" }),
      password: text({ help: "That user's password.", default: "", example: "s3cr3t-of-the-database", since: "0.1.0", secret: true, allowed: "text" }),
      sslmode: choice({
        help: "disable: no TLS. require: TLS, the server's certificate not checked. verify-ca: signed by an authority that is trusted. verify-full: and made out to that host.",
        of: ["disable", "require", "verify-ca", "verify-full"],
        default: "disable",
        example: "verify-full",
        since: "0.1.0",
      }),
      ssl_root_cert: text({ help: "Certificates of the authorities to trust, a PEM file. Empty: those of the system.", default: "", example: "/etc/dittofs/db-ca.pem", since: "0.1.0", allowed: "a path" }),
      max_open_conns: integer({ help: "Connections held at once, at most.", min: 1, max: 1000, default: 25, example: "25", since: "0.1.0" }),
      max_idle_conns: integer({ help: "Connections kept open though nothing is asked.", min: 0, max: 1000, default: 5, example: "5", since: "0.1.0" }),
    }),
  }),
  controlplane: section("The REST interface, by which the server is run.", {
    host: text({ help: "Address to listen on.", default: "127.0.0.1", example: "0.0.0.0", since: "0.1.0", allowed: "an IPv4 or IPv6 address, or localhost", check: checkHost }),
    port: integer({ help: "TCP port of the REST interface; 0 takes a free one.", min: 0, max: 65535, default: 8080, example: "8443", since: "0.1.0" }),
    allowed_hosts: texts({
      help: "Names the interface may be called by besides addresses and localhost, where it listens on this machine alone: those a proxy in front of it passes on. Others are refused, since a page in a browser could have its own name lead here. Repeatable as a flag.",
      default: [],
      example: "[dittofs.example.com]",
      since: "0.1.0",
      allowed: "a host name",
      of: { type: "string", pattern: hostNamePattern },
      check: (value) => (new RegExp(hostNamePattern).test(value) ? null : `${JSON.stringify(value)} is no host name`),
    }),
    secret: text({
      help: "What tokens are signed and stored secrets are encrypted with; without it a random one is made once, in controlplane.secret in data_dir. Servers that share a database need the same one.",
      default: "",
      example: "a-secret-of-32-characters-or-more",
      since: "0.1.0",
      secret: true,
      allowed: "text of at least 32 characters",
      check: checkSecret,
    }),
    access_token_duration: duration({ help: "How long an access token is good.", min: second, max: day, default: 15 * minute, example: "15m", since: "0.1.0" }),
    refresh_token_duration: duration({ help: "How long somebody who does nothing stays logged in.", min: minute, max: 365 * day, default: 168 * hour, example: "168h", since: "0.1.0" }),
    drain_stall_timeout: duration({ help: "A drain of uploads gives up when nothing was stored for so long.", min: second, max: day, default: 5 * minute, example: "5m", since: "0.1.0" }),
    tls: section("HTTPS for the REST interface. The files are read again when they change, and at SIGHUP.", {
      cert_file: text({ help: "The certificate and those above it, a PEM file. Empty: plain HTTP.", default: "", example: "/etc/dittofs/tls.crt", since: "0.1.0", allowed: "a path" }),
      key_file: text({ help: "Its private key, a PEM file.", default: "", example: "/etc/dittofs/tls.key", since: "0.1.0", allowed: "a path" }),
      client_ca: text({ help: "Let in only clients with a certificate of these authorities, a PEM file. Empty: any client.", default: "", example: "/etc/dittofs/clients-ca.pem", since: "0.1.0", allowed: "a path" }),
    }),
  }),
  admin: section("The first administrator.", {
    initial_password: text({
      help: "Password of the user admin, at the first start alone. Empty: a random one is made and shown once, to be changed at the first log-in.",
      default: "",
      example: "correct horse battery",
      since: "0.1.0",
      secret: true,
      allowed: "text",
    }),
  }),
};
