/** `sixfold add-writer`, `add-replica`, `add-spare` and `stop`: processes that come and go while a cluster serves. */
import type { ConsoleOutput } from "./console-output.ts";
import { command } from "./control-client.ts";

export interface AddFlags {
  readonly data: string;
  readonly az?: string;
}

export interface StopFlags {
  readonly data: string;
  readonly force: boolean;
}

export type Addition = "writer" | "replica" | "spare";

export async function add(output: ConsoleOutput, what: Addition, { data, az }: AddFlags): Promise<void> {
  output.progress(`starting a ${what} …`);
  const added = await (what === "spare"
    ? command(data, "/add-spare", { az })
    : command(data, "/add-node", { role: what, az }));
  output.clearProgress();
  output.object({ event: "added", ...added });
  const { name, az: zone, url, pid } = added;
  const serves = what === "spare" ? "keeps nothing yet; see sixfold replace" : "serves";
  output.text(`${String(name)} in zone ${String(zone)} ${serves}: ${String(url)}, pid ${String(pid)}`);
}

export async function stop(output: ConsoleOutput, name: string, { data, force }: StopFlags): Promise<void> {
  output.progress(`${name} decides what is in flight …`);
  await command(data, "/stop", { name, force });
  output.clearProgress();
  output.object({ event: "stopped", name });
  output.text(`${name} has left the cluster. Clients go on with the others.`);
}
