/** By hand: bun test/e2e/crash/play.ts <no crash|kill|power cut> [rounds] [seed] [ignore] */
import { playRounds, type Setting } from "./rounds.ts";

const [setting = "kill", rounds = "10", seed = String((Math.random() * 2 ** 32) >>> 0), ignore] = Bun.argv.slice(2);
const started = performance.now();
console.log(`seed ${seed}`);
try {
  const result = await playRounds({
    setting: setting as Setting,
    rounds: Number(rounds),
    seed: Number(seed),
    print: console.log,
    ...(ignore === undefined ? {} : { ignoreSyncs: ignore }),
  });
  console.log(`${result.rounds} rounds, ${result.operations} operations, ${Math.round(performance.now() - started)} ms`);
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
