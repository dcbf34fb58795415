// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.stream.*;

public class Main {
  static int depth;

  static void recurse() {
    depth++;
    recurse();
  }

  public static void main(String[] args) throws Exception {
    System.out.println(Arrays.asList(args));
    ExecutorService pool = Executors.newFixedThreadPool(8);
    List<Future<Integer>> futures = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      final int n = i;
      futures.add(pool.submit(() -> n * n));
    }
    int sum = 0;
    for (Future<Integer> f : futures) sum += f.get();
    pool.shutdown();
    System.out.println(sum);
    AtomicLong counter = new AtomicLong();
    IntStream.range(0, 1000000).parallel().forEach(i -> counter.incrementAndGet());
    System.out.println(counter);
    // Implicit null checks and stack banging come as SIGSEGV.
    try {
      Object o = args.length > 5 ? "" : null;
      o.toString();
    } catch (NullPointerException e) {
      System.out.println("NullPointerException");
    }
    try {
      recurse();
    } catch (StackOverflowError e) {
      System.out.println("StackOverflowError " + (depth > 1000));
    }
    List<byte[]> garbage = new ArrayList<>();
    for (int i = 0; i < 2000; i++) {
      garbage.add(new byte[100000]);
      if (garbage.size() > 50) garbage.clear();
    }
    System.gc();
    Path p = Paths.get("java.txt");
    Files.write(p, Collections.nCopies(100, "line"));
    System.out.println(Files.lines(p).count() + " " + Files.size(p));
    Process process = new ProcessBuilder("sh", "-c", "cat; exit 3").start();
    process.getOutputStream().write("to sh\n".getBytes());
    process.getOutputStream().close();
    System.out.print(new String(process.getInputStream().readAllBytes()));
    System.out.println(process.waitFor());
    CompletableFuture<String> later = CompletableFuture.supplyAsync(() -> "later");
    System.out.println(later.get(10, TimeUnit.SECONDS));
    Object lock = new Object();
    synchronized (lock) {
      lock.wait(50);
    }
    Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
    System.exit(5);
  }
}
