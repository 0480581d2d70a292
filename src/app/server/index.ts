/**
 * A server that serves: the runtime, which brings shares and protocols to what the control plane desires, one run at a time, and the REST
 * interface by which it is told. `runtime.ts` is the port `Runtime` of the control plane.
 */
export { ServerRuntime } from "./runtime.ts";
export { startServer } from "./server.ts";
