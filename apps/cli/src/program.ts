/** The command line's grammar: commands, options, help. What the commands do is in their own files. */
import { Command, Option } from "commander";
import { COMPARISON_WORKLOADS } from "@sixfold/workload";
import { LIMITS } from "@sixfold/model";
import { addBench } from "./bench-grammar.ts";
import { check, type CheckFlags } from "./check/check-command.ts";
import { compare, type CompareFlags } from "./compare-command.ts";
import { COMPARED_MODES } from "./comparison/result.ts";
import { ConsoleOutput } from "./console-output.ts";
import { addFailover, addMode } from "./mode-grammar.ts";
import type { Platform } from "./platform.ts";
import { replace, type ReplaceFlags } from "./replace-command.ts";
import { addSimulate } from "./simulate-grammar.ts";
import { status, type StatusFlags } from "./status/status-command.ts";
import { addTopology } from "./topology-grammar.ts";
import { up, type UpFlags } from "./up-command.ts";
import { numberIn, numbersIn, oneOf, someOf } from "./usage.ts";

interface JsonFlag {
  readonly json?: boolean;
}

const DEFAULT_DATA = ".sixfold";
const MOST_CLIENTS = 4_096;
const MOST_SPARES = 12;

/** Throws commander's errors instead of ending the process. */
export function makeProgram(platform: Platform, version: string): Command {
  const program = new Command("sixfold");
  program
    .description("A transactional database cluster whose storage decides who wins.")
    .version(version)
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => platform.stdout.write(text),
      writeErr: (text) => platform.stderr.write(text),
      // Errors are said by who catches them: once, on one line.
      outputError: () => undefined,
    });
  addUp(program, platform);
  addCompare(program, platform);
  addBench(program, platform);
  addStatus(program, platform);
  addMode(program, platform, outputOf, DEFAULT_DATA);
  addFailover(program, platform, outputOf, DEFAULT_DATA);
  addReplace(program, platform);
  addTopology(program, platform, DEFAULT_DATA);
  addCheck(program, platform);
  addSimulate(program, platform);
  for (const command of program.commands) command.option("--json", "one JSON object a line on stdout");
  return program;
}

function addUp(program: Command, platform: Platform): void {
  program
    .command("up")
    .description(
      "Start a local cluster: six segment servers in three AZs and the database nodes. Ctrl-C stops it.",
    )
    .addOption(
      new Option("--mode <mode>", "one master or several")
        .argParser(oneOf(["single", "multi"] as const))
        .default("multi"),
    )
    .addOption(
      new Option(
        "--writers <n>",
        "writers (default: those of the last run; of a new cluster 2, with --mode single 1)",
      ).argParser(numberIn({ min: 1, max: LIMITS.writers })),
    )
    .addOption(
      new Option("--replicas <n>", "read replicas (default: those of the last run)").argParser(
        numberIn({ min: 0, max: LIMITS.replicas }),
      ),
    )
    .addOption(
      new Option("--spares <n>", "segment servers beyond the six, in zones a, b, c in turn")
        .argParser(numberIn({ min: 0, max: MOST_SPARES }))
        .default(0),
    )
    .option("--data <dir>", "where the data is kept", DEFAULT_DATA)
    .addOption(
      new Option("--port <base>", "port of the first database node; 0: any free ones")
        .argParser(numberIn({ min: 0, max: 65_000 }))
        .default(7400),
    )
    .addOption(
      new Option("--conflicts <end>", "where a conflict between writers ends: row rebuilds, page aborts")
        .argParser(oneOf(["row", "page"] as const))
        .default("row"),
    )
    .addOption(
      new Option("--inject-conflicts <p>", "probability of an invented page conflict")
        .argParser(numberIn({ min: 0, max: 1, integer: false }))
        .default(0),
    )
    .addOption(
      new Option("--az-latency-ms <n>", "delay between processes of different AZs, one way")
        .argParser(numberIn({ min: 0, max: 1_000, integer: false }))
        .default(0),
    )
    .option("--in-process", "all nodes in this process", false)
    .option("--no-restart", "leave a process that died dead")
    .option("--procedures <module>", "a module of procedures for the nodes to load")
    .option("--monitor", "judge the protocol's steps while the cluster runs; costs speed", false)
    .addHelpText(
      "after",
      `
On a terminal it prints a table; into a pipe, or with --json, a "ready" event and later "exit" and "restart" events.
With --monitor a step that the protocol rules out is a "violation" event, and the exit code is 1 in the end.

Examples:
  sixfold up                                  two masters on ports 7400 and 7401
  sixfold up --mode single --replicas 2       one master, two replicas
  sixfold up --mode single --writers 2        one master, and one that stands by: see sixfold failover
  sixfold up --spares 3                       a spare segment server in each zone: see sixfold replace
  sixfold up --in-process --port 0 --json     a throw-away cluster for a script
  sixfold up --monitor                        watch the protocol keep its promises`,
    )
    .action((flags: UpFlags & JsonFlag) => up(platform, outputOf(platform, flags), flags));
}

function addCompare(program: Command, platform: Platform): void {
  const command = program
    .command("compare")
    .description("Compare one master with several under contention, on real local clusters; write a report.");
  addSweepOptions(command)
    .addHelpText(
      "after",
      `
single is one master. multi is several, and a lost race for a page is rebuilt by the writer, so that only a conflict on a
row reaches a client. multi-page reports the lost page race to the client, as Aurora Multi-Master did.

Transactions are interactive by default: the client reads, computes and commits, and the SDK retries when it is told of
a conflict, so that clients feel each mode as programs do. With --as procedure they run whole at the writer, one message each.

Every run checks an invariant (no money lost, no update lost, no row torn). Exit code 1 if one is broken.

Examples:
  sixfold compare --quick
  sixfold compare --workload hot --modes single,multi --writers 2,4
  sixfold compare --workload ycsb-a,ycsb-b,ycsb-f --as procedure --out ycsb-report`,
    )
    .action((flags: CompareFlags & JsonFlag) => compare(platform, outputOf(platform, flags), flags));
}

function addSweepOptions(command: Command): Command {
  return command
    .option("--quick", "fewer and shorter runs: little more than a minute in all")
    .addOption(
      new Option("--modes <list>", `of ${COMPARED_MODES.join(", ")} (default: all)`).argParser(
        someOf(COMPARED_MODES),
      ),
    )
    .addOption(
      new Option(
        "--writers <list>",
        "numbers of writers; single always has one (default: 1,2,4; quick: 2)",
      ).argParser(numbersIn({ min: 1, max: LIMITS.writers })),
    )
    .addOption(
      new Option(
        "--shared <list>",
        "percentages of accesses to common rows (default: 0,10,50,100; quick: 0,50,100)",
      ).argParser(numbersIn({ min: 0, max: 100 })),
    )
    .addOption(
      new Option("--workload <list>", `of ${COMPARISON_WORKLOADS.join(", ")} (default: transfer)`).argParser(
        someOf(COMPARISON_WORKLOADS),
      ),
    )
    .addOption(
      new Option(
        "--clients <n>",
        "clients in all, each waiting for its answer (default: 32; quick: 16)",
      ).argParser(numberIn({ min: 1, max: MOST_CLIENTS })),
    )
    .addOption(
      new Option("--seconds <s>", "measured seconds a run (default: 5; quick: 2)").argParser(
        numberIn({ min: 0.1, max: 3_600, integer: false }),
      ),
    )
    .addOption(
      new Option(
        "--as <style>",
        "transactions as interactive reads and writes, or as procedures at the writer",
      )
        .argParser(oneOf(["interactive", "procedure"] as const))
        .default("interactive"),
    )
    .addOption(
      new Option("--records <n>", "rows over all parts (default: the workload's own)").argParser(
        numberIn({ min: 64, max: 10_000_000 }),
      ),
    )
    .addOption(
      new Option("--az-latency-ms <n>", "delay between processes of different AZs, one way")
        .argParser(numberIn({ min: 0, max: 1_000, integer: false }))
        .default(0),
    )
    .addOption(
      new Option("--seed <n>", "what the clients' choices are drawn from")
        .argParser(numberIn({ min: 0, max: 2 ** 31 }))
        .default(1),
    )
    .option("--out <dir>", "where report.json and report.html go", "sixfold-report");
}

function addReplace(program: Command, platform: Platform): void {
  program
    .command("replace")
    .description(
      "Move what a segment server keeps to another of its zone, dead or alive, while the cluster serves.",
    )
    .argument("<segment-server>", "the server to be relieved, such as segment-a1")
    .option("--by <server>", "the server to take it (default: those of the zone that keep least)")
    .option("--data <dir>", "data directory of the cluster", DEFAULT_DATA)
    .option("--no-wait", "return when it has begun")
    .addHelpText(
      "after",
      `
It takes a server of the same zone that does not keep the same segments yet: a spare one (sixfold up --spares 3). A server that is
silent for five minutes is replaced by itself, if there is one. The server that was relieved is a spare one then.

Examples:
  sixfold replace segment-a1                  after its disk died, or before it is taken out
  sixfold replace segment-a1 --by segment-a3`,
    )
    .action((server: string, flags: ReplaceFlags & JsonFlag) =>
      replace(platform, outputOf(platform, flags), server, flags),
    );
}

function addStatus(program: Command, platform: Platform): void {
  program
    .command("status")
    .description("Show roles, states, streams, durable points, lag and conflicts of a running cluster.")
    .argument("[url...]", "nodes to ask instead of those that sixfold up started")
    .option("--data <dir>", "data directory of the cluster", DEFAULT_DATA)
    .option("--watch", "again every second, until Ctrl-C", false)
    .addHelpText(
      "after",
      `
Examples:
  sixfold status
  sixfold status --watch
  sixfold status --json ws://127.0.0.1:7400 ws://127.0.0.1:7420`,
    )
    .action((urls: string[], flags: StatusFlags & JsonFlag) =>
      status(platform, outputOf(platform, flags), urls, flags),
    );
}

function addCheck(program: Command, platform: Platform): void {
  program
    .command("check")
    .description(
      "Verify the data of a stopped cluster: checksums, copies, chains, manifest, trees and pages.",
    )
    .option("--data <dir>", "data directory of the cluster", DEFAULT_DATA)
    .addHelpText(
      "after",
      `
Reads every log block and every stored page of each segment server, compares what the six segments of each protection group hold,
recovers in memory what a start would recover, and walks all trees: every allocated page must be accounted for. Nothing is opened for
writing. It takes about the memory of the cluster.

note      what a start takes care of by itself, such as the torn end of a log or a segment that is behind
warning   damage that costs nothing, for others have it whole: up to two segment servers lost, pages that fail their checksum
error     something is lost, or copies contradict each other

Exit code 0 if nothing is lost, 1 if there is an error or the cluster still runs. The last line is the verdict.

Examples:
  sixfold check
  sixfold check --data elsewhere
  sixfold check --json | tail -n 1            the verdict, for a script`,
    )
    .action((flags: CheckFlags & JsonFlag) => check(platform, outputOf(platform, flags), flags));
}

function outputOf(platform: Platform, flags: JsonFlag): ConsoleOutput {
  return new ConsoleOutput(platform, flags.json ?? false);
}
