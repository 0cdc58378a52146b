/** The grammar of `sixfold mode` and `sixfold failover`. */
import { Argument, type Command } from "commander";
import type { ConsoleOutput } from "./console-output.ts";
import { failover, type FailoverFlags } from "./failover-command.ts";
import { switchMode, type ModeFlags } from "./mode-command.ts";
import type { Platform } from "./platform.ts";
import { oneOf } from "./usage.ts";

interface JsonFlag {
  readonly json?: boolean;
}

type MakeOutput = (platform: Platform, flags: JsonFlag) => ConsoleOutput;

export function addMode(program: Command, platform: Platform, outputOf: MakeOutput, data: string): void {
  program
    .command("mode")
    .description("Move the volume between one master and several, while the cluster serves.")
    .addArgument(new Argument("<mode>", "single or multi").argParser(oneOf(["single", "multi"] as const)))
    .option("--data <dir>", "data directory of the cluster", data)
    .addHelpText(
      "after",
      `
Each writer decides what is in flight and closes its stream; once none is open the mode changes, and streams are opened anew: one in
mode single, whose other writers stand by, one at every writer in mode multi. Clients see errors that may be retried, which the SDK does
by itself. A writer that does not close its stream, dead or out of reach, is recovered after three seconds. Asked for the mode that it has,
it says so and changes nothing.

Examples:
  sixfold mode single
  sixfold mode multi --json`,
    )
    .action((mode: "single" | "multi", flags: ModeFlags & JsonFlag) =>
      switchMode(platform, outputOf(platform, flags), mode, flags),
    );
}

export function addFailover(program: Command, platform: Platform, outputOf: MakeOutput, data: string): void {
  program
    .command("failover")
    .description("Have the writer of a volume in mode single hand over to another node.")
    .argument("[node]", "who is to write next (default: the most advanced standby, or replica)")
    .option("--data <dir>", "data directory of the cluster", data)
    .addHelpText(
      "after",
      `
The writer takes no more commits, decides those in flight, closes its stream and stands by; the other opens the next one. Its buffer pool is
warm. Clients see errors that may be retried, which the SDK does by itself. A writer that dies needs no command: a standby, or where there is
none a replica, takes over by itself.

Examples:
  sixfold failover
  sixfold failover writer-2
  sixfold failover replica-1 --json`,
    )
    .action((to: string | undefined, flags: FailoverFlags & JsonFlag) =>
      failover(outputOf(platform, flags), to, flags),
    );
}
