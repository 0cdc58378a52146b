/** The grammar of `sixfold simulate`. What it does is in `simulate-command.ts`. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { PLANTED_BUGS, type PlantedBug } from "@sixfold/model";
import { DISTANCES, FAULT_KINDS, FAULT_NAMES, SIMULATED_WORKLOADS } from "@sixfold/simulation/names";
import { ConsoleOutput } from "./console-output.ts";
import type { Platform } from "./platform.ts";
import type { SimulateFlags } from "./simulate-command.ts";
import { numberIn, numbersIn, oneOf, someOf } from "./usage.ts";

const MOST_SEED = 2 ** 32;
const MOST_RUNS = 1_000_000;
const MOST_JOBS = 256;

const faultList = FAULT_KINDS.map((kind) => `  ${kind.name.padEnd(15)} ${kind.about}`).join("\n");

const HELP = `
A run is a whole cluster in one thread: the production code, on a clock, network and disks that its seed controls. In the first phase faults
come and go while clients work; then only a core is left, which must go on; then all come back, and rows, histories, protocol
steps and disks are judged. The same seed gives the same run, to the last message: its hash says so.

Faults:
${faultList}

Examples:
  sixfold simulate --runs 200                      seeds 1 to 200, all faults
  sixfold simulate --minutes 30                    fresh seeds for half an hour
  sixfold simulate --seed 17 --verbose             one seed, and all that happens
  sixfold simulate --seed 17 --shrink              and if it fails, a smaller run that fails
  sixfold simulate --runs 50 --faults none --workload append --mode multi
  sixfold simulate --runs 50 --plant fence-ignored  with a bug put in: must fail`;

export function addSimulate(program: Command, platform: Platform): void {
  const command = program
    .command("simulate")
    .description("Run whole clusters in a simulated world under faults, and judge what they promised.");
  addSeeds(command);
  addChoices(command);
  command.addHelpText("after", HELP).action(async (flags: SimulateFlags & { readonly json?: boolean }) => {
    // A whole cluster: loaded when needed.
    const { simulateSeeds } = await import("./simulate-command.ts");
    await simulateSeeds(platform, new ConsoleOutput(platform, flags.json ?? false), flags);
  });
}

function addSeeds(command: Command): void {
  command
    .addOption(
      new Option("--seed <n>", "the first seed (default: 1; with --minutes a fresh one)").argParser(
        numberIn({ min: 0, max: MOST_SEED }),
      ),
    )
    .addOption(
      new Option("--runs <n>", "seeds in a row (default: 1)").argParser(numberIn({ min: 1, max: MOST_RUNS })),
    )
    .addOption(
      new Option("--minutes <n>", "go on with further seeds for so long").argParser(
        numberIn({ min: 0.01, max: 100_000, integer: false }),
      ),
    )
    .addOption(
      new Option("--jobs <n>", "runs side by side (default: one a processor)").argParser(
        numberIn({ min: 1, max: MOST_JOBS }),
      ),
    )
    .option("--shrink", "look for a smaller run for each that fails")
    .option("--verbose", "say on stderr what happens, as it happens");
}

function addChoices(command: Command): void {
  command
    .addOption(
      new Option("--faults <list>", "faults to draw from, or none (default: all)").argParser(
        noneOr(someOf(FAULT_NAMES)),
      ),
    )
    .addOption(
      new Option("--workload <list>", `of ${SIMULATED_WORKLOADS.join(", ")} (default: all)`).argParser(
        someOf(SIMULATED_WORKLOADS),
      ),
    )
    .addOption(
      new Option("--mode <mode>", "one master or several (default: drawn)").argParser(
        oneOf(["single", "multi"] as const),
      ),
    )
    .addOption(
      new Option("--writers <n>", "writers; in mode single all but one stand by (default: 1 to 3)").argParser(
        numberIn({ min: 1, max: 16 }),
      ),
    )
    .addOption(
      new Option("--replicas <n>", "nodes that only read (default: drawn)").argParser(
        numberIn({ min: 0, max: 15 }),
      ),
    )
    .addOption(
      new Option("--distance <how>", `machines are ${DISTANCES.join(", ")} (default: drawn)`).argParser(
        oneOf(DISTANCES),
      ),
    )
    .addOption(
      new Option("--isolation <level>", "of all workloads (default: drawn)").argParser(
        oneOf(["snapshot", "serializable"] as const),
      ),
    )
    .addOption(
      new Option("--consistency <level>", "of all workloads (default: drawn)").argParser(
        oneOf(["session", "cluster"] as const),
      ),
    )
    .addOption(
      new Option("--keep <list>", "of the faults drawn only these, by number, or none").argParser(
        noneOr(numbersIn({ min: 0, max: 1000 })),
      ),
    )
    .addOption(
      new Option("--plant <list>", "bugs to put in, to see them found; docs/testing.md lists them").argParser(
        someOf(Object.keys(PLANTED_BUGS) as PlantedBug[]),
      ),
    );
}

/** The word `none`, or a list. */
function noneOr<T>(list: (text: string) => T[]): (text: string) => T[] {
  return (text) => {
    if (text === "none") return [];
    if (text.split(",").includes("none")) throw new InvalidArgumentError("none stands alone.");
    return list(text);
  };
}
