import { spawnSync } from "bun";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Certificates made by openssl in a directory of the test's own. */
export class Certificates {
  private readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  read(name: string): string {
    return readFileSync(this.path(name), "utf8");
  }

  /** An authority: `<name>.pem` and `<name>.key`. */
  authority(name: string): void {
    this.openssl(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", `/CN=${name}`, "-keyout", this.path(`${name}.key`), "-out", this.path(`${name}.pem`), "-addext", "basicConstraints=critical,CA:TRUE"]);
  }

  /** A certificate for 127.0.0.1 and clients, signed by an authority: `<name>.pem` and `<name>.key`. */
  signed(name: string, authority: string): void {
    this.openssl(["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", `/CN=${name}`, "-keyout", this.path(`${name}.key`), "-out", this.path(`${name}.csr`)]);
    writeFileSync(this.path("extensions"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n");
    const ca = ["-CA", this.path(`${authority}.pem`), "-CAkey", this.path(`${authority}.key`), "-CAcreateserial"];
    this.openssl(["x509", "-req", "-in", this.path(`${name}.csr`), ...ca, "-days", "2", "-extfile", this.path("extensions"), "-out", this.path(`${name}.pem`)]);
  }

  private openssl(args: readonly string[]): void {
    const result = spawnSync(["openssl", ...args], { stderr: "pipe" });
    if (result.exitCode !== 0) throw new Error(`openssl ${args[0]}: ${result.stderr.toString()}`);
  }
}
