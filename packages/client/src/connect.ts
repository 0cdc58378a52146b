import type { ConnectOptions, Database } from "./options.ts";
import { connectOn } from "./connect-on.ts";
import { nodeClientPorts } from "./node-client-ports.ts";
import type { AnyProcedures } from "./procedure.ts";

/**
 * Connects to a cluster through any of its database nodes, for example `connect(["ws://127.0.0.1:7400"])`.
 * `connect<typeof procedures>(urls)` gives `call` the types of a module of procedures.
 *
 * Rejects with `unauthorized`, or with `unavailable` if no node answers in time. Close the database to let the process end.
 */
export function connect<P extends object = AnyProcedures>(
  urls: readonly string[],
  options: ConnectOptions = {},
): Promise<Database<P>> {
  return connectOn<P>(nodeClientPorts(), urls, options);
}
