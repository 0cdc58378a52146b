/** `sixfold status`: what each node of a running cluster says of itself, and how the cluster is on the whole. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ConsoleOutput } from "../console-output.ts";
import type { Platform } from "../platform.ts";
import { readRunningFile } from "../running-file.ts";
import { CommandError } from "../usage.ts";
import { type Answer, type Asked, ClusterView } from "./cluster-view.ts";
import { readStatus } from "./node-status.ts";
import { renderStatus } from "./status-tables.ts";

export interface StatusFlags {
  readonly data: string;
  readonly watch: boolean;
}

const WATCH_EVERY_MS = 1_000;
const CLEAR_SCREEN = "\u001b[H\u001b[J";

export async function status(
  platform: Platform,
  output: ConsoleOutput,
  urls: readonly string[],
  flags: StatusFlags,
): Promise<void> {
  const isWhole = urls.length === 0;
  const nodes = isWhole ? await readRunningFile(flags.data) : urls.map((url) => ({ name: url, url }));
  if (nodes === undefined)
    throw new CommandError(
      `no cluster runs on ${flags.data}; start one with sixfold up, or name nodes: sixfold status ws://127.0.0.1:7400`,
    );
  for (;;) {
    const answers = await Promise.all(nodes.map(ask));
    if (flags.watch && platform.stdout.isTTY && !output.json) platform.stdout.write(CLEAR_SCREEN);
    say(answers, isWhole, output);
    if (!flags.watch) {
      if (answers.every((answer) => answer.status === undefined)) throw new CommandError("no node answers");
      return;
    }
    await sleep(WATCH_EVERY_MS, undefined, { signal: platform.signal }).catch(() => undefined);
    if (platform.signal.aborted) return;
  }
}

async function ask(node: Asked): Promise<Answer> {
  return { ...node, status: await readStatus(node) };
}

function say(answers: readonly Answer[], isWhole: boolean, output: ConsoleOutput): void {
  const view = new ClusterView(answers);
  const health = isWhole ? view.health() : undefined;
  for (const { name, url, status: said } of answers)
    output.object({ event: "status", name, url, up: said !== undefined, ...said });
  if (health !== undefined) output.object({ event: "health", ...health });
  output.text(renderStatus(view, health, output));
}
