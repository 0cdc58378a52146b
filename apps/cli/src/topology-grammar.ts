/** The grammar of the commands that add and stop processes of a running cluster. */
import { type Command, Option } from "commander";
import { ConsoleOutput } from "./console-output.ts";
import type { Platform } from "./platform.ts";
import { add, type AddFlags, type Addition, stop, type StopFlags } from "./topology-commands.ts";
import { oneOf } from "./usage.ts";

interface JsonFlag {
  readonly json?: boolean;
}

const HELP: Readonly<Record<Addition, readonly [about: string, help: string]>> = {
  writer: [
    "Start a further writer while the cluster serves: the next free name, place and port.",
    `
It opens a stream of its own and serves; the others go on undisturbed. At most 16 writers. The next sixfold up starts it again.

Examples:
  sixfold add-writer
  sixfold add-writer --az b --json`,
  ],
  replica: [
    "Start a further read replica while the cluster serves.",
    `
It follows the writers and serves reads as soon as it has caught up. At most 15 replicas. The next sixfold up starts it again.

Examples:
  sixfold add-replica
  sixfold add-replica --az c`,
  ],
  spare: [
    "Start a further segment server, which keeps nothing yet, while the cluster serves.",
    `
A lost segment server of its zone is replaced by it: by itself after five minutes of silence, or with sixfold replace.

Examples:
  sixfold add-spare --az a
  sixfold replace segment-a1`,
  ],
};

export function addTopology(program: Command, platform: Platform, defaultData: string): void {
  const outputOf = (flags: JsonFlag): ConsoleOutput => new ConsoleOutput(platform, flags.json ?? false);
  for (const what of ["writer", "replica", "spare"] as const) {
    const [about, help] = HELP[what];
    program
      .command(`add-${what}`)
      .description(about)
      .addOption(
        new Option("--az <zone>", "availability zone a, b or c (default: where there are fewest)").argParser(
          oneOf(["a", "b", "c"] as const),
        ),
      )
      .option("--data <dir>", "data directory of the cluster", defaultData)
      .addHelpText("after", help)
      .action((flags: AddFlags & JsonFlag) => add(outputOf(flags), what, flags));
  }
  program
    .command("stop")
    .description("Stop a database node for good while the others serve.")
    .argument("<node>", "the node, such as writer-2")
    .option("--data <dir>", "data directory of the cluster", defaultData)
    .option("--force", "though it is the only writer", false)
    .addHelpText(
      "after",
      `
It decides what is in flight, closes its stream, leaves the cluster and ends. Clients move to the other nodes; what they were told
to have committed stays. The next sixfold up does not start it. Segment servers are not stopped but replaced: sixfold replace.

Examples:
  sixfold stop writer-2
  sixfold stop replica-1 --json`,
    )
    .action((name: string, flags: StopFlags & JsonFlag) => stop(outputOf(flags), name, flags));
}
