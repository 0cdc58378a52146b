/** `sixfold failover`: the writer of an exclusive volume hands over to another node. */
import type { ClusterNode } from "@sixfold/cluster";
import type { ConsoleOutput } from "./console-output.ts";
import { postTo, runningNodes } from "./node-request.ts";
import { isObject, readStatus, type NodeStatus } from "./status/node-status.ts";
import { CommandError } from "./usage.ts";

export interface FailoverFlags {
  readonly data: string;
}

interface Standing {
  readonly node: ClusterNode;
  readonly status: NodeStatus;
}

export async function failover(
  output: ConsoleOutput,
  to: string | undefined,
  { data }: FailoverFlags,
): Promise<void> {
  const nodes = await runningNodes(data);
  const all = (
    await Promise.all(nodes.map(async (node) => ({ node, status: await readStatus(node) })))
  ).filter((one): one is Standing => one.status !== undefined);
  const writer = all.find(({ status }) => status["stream"] !== 0 && status["state"] === "writing");
  if (writer === undefined) throw new CommandError("no node writes now: there is nothing to hand over");
  if (writer.status["mode"] === "multi")
    throw new CommandError(
      "in mode multi every writer writes, and takes over from the others by itself: see sixfold stop",
    );
  const successor = to ?? mostAdvanced(all, writer);
  if (successor === undefined) throw new CommandError("no other database node is up to take over");
  output.object({ event: "handing-over", from: writer.node.name, to: successor });
  output.progress(`${writer.node.name} hands over to ${successor} …`);
  const answer = await postTo(writer.node, "/failover", { to: successor });
  output.clearProgress();
  if (answer === undefined) throw new CommandError(`${writer.node.name} does not answer; see sixfold status`);
  if (typeof answer["refused"] === "string") throw new CommandError(answer["refused"]);
  const { from, to: now, withoutWriterMs } = answer;
  output.object({ event: "failover", from, to: now, withoutWriterMs: Math.round(Number(withoutWriterMs)) });
  output.text(
    `${String(from)} handed over to ${String(now)}; there was no writer for ${Number(withoutWriterMs).toFixed(0)} ms`,
  );
}

/** The node that shows most of the writer's stream: a writer if there is one, else a replica. */
function mostAdvanced(all: readonly Standing[], writer: Standing): string | undefined {
  const stream = String(writer.status["stream"]);
  const shown = ({ status }: Standing): number => {
    const { applied } = status;
    const at = isObject(applied) ? applied[stream] : undefined;
    return typeof at === "number" ? at : -1;
  };
  const others = all.filter((one) => one !== writer && one.status["ready"] === true);
  const rank = (one: Standing): number => (one.node.role === "writer" ? 1 : 0);
  return others.sort((a, b) => rank(b) - rank(a) || shown(b) - shown(a))[0]?.node.name;
}
