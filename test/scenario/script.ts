/**
 * Golden scripts: commands, `---`, then everything that happened because of them.
 *
 *     # why this block is here
 *     put writer-1 accounts alice 100
 *     ---
 *     writer-1 -> a1 a2 b1 b2 c1 c2 append pg0 s1 [3 owned {p4<1:2}] decided 0..2
 *     = auto2 committed
 *
 * Blocks are separated by an empty line. A block that causes nothing expects `ok`. (The form is that of toydb's
 * goldenscript and etcd's datadriven.)
 */
export interface Block {
  /** Comment lines, kept as they are. */
  readonly comments: readonly string[];
  readonly commands: readonly string[];
  readonly expected: readonly string[];
}

const RULE = "---";
export const NOTHING = "ok";

export function parseScript(text: string): Block[] {
  const blocks: Block[] = [];
  for (const part of text.split(/\n[ \t]*\n/)) {
    const lines = part.split("\n").map((line) => line.trimEnd());
    const rule = lines.indexOf(RULE);
    const head = (rule < 0 ? lines : lines.slice(0, rule)).filter((line) => line !== "");
    const expected = rule < 0 ? [] : lines.slice(rule + 1).filter((line) => line !== "");
    if (head.length === 0) continue;
    blocks.push({
      comments: head.filter((line) => line.startsWith("#")),
      commands: head.filter((line) => !line.startsWith("#")),
      expected,
    });
  }
  return blocks;
}

/** The text of a script whose blocks gave these traces. */
export function formatScript(blocks: readonly Block[], traces: readonly (readonly string[])[]): string {
  return `${blocks.map((block, i) => formatBlock(block, traces[i]!)).join("\n\n")}\n`;
}

function formatBlock({ comments, commands }: Block, trace: readonly string[]): string {
  if (commands.length === 0) return comments.join("\n");
  return [...comments, ...commands, RULE, ...(trace.length === 0 ? [NOTHING] : trace)].join("\n");
}

/** The words of a command; "quoted words" may hold spaces. */
export function words(command: string): string[] {
  return [...command.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2]!);
}
