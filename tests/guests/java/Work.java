// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.TreeMap;
import java.util.function.IntUnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.teavm.interop.Export;

/** Objects, collections, text and exceptions; a Java virtual machine prints the same. (TeaVM leaves division
 * by zero and negative lengths to WebAssembly, where they are traps.) */
public class Work {
    interface Shape { double area(); }
    record Circle(double radius) implements Shape { public double area() { return 3 * radius * radius; } }
    record Box(double width, double height) implements Shape { public double area() { return width * height; } }

    static final class Node {
        final int key;
        int priority;
        Node left, right;
        Node(int key, int priority) { this.key = key; this.priority = priority; }
    }

    static int seed = 1;
    static int random() { return (seed = seed * 1103515245 + 12345) >>> 8; }

    static Node insert(Node node, int key) {
        if (node == null) return new Node(key, random());
        if (key < node.key) {
            node.left = insert(node.left, key);
            if (node.left.priority > node.priority) { Node up = node.left; node.left = up.right; up.right = node; return up; }
        } else if (key > node.key) {
            node.right = insert(node.right, key);
            if (node.right.priority > node.priority) { Node up = node.right; node.right = up.left; up.left = node; return up; }
        }
        return node;
    }
    static int count(Node node) { return node == null ? 0 : 1 + count(node.left) + count(node.right); }
    static long sum(Node node) { return node == null ? 0 : node.key + sum(node.left) + sum(node.right); }

    static void trees() {
        long total = 0;
        for (int round = 0; round < 20; round++) {
            Node root = null;
            for (int n = 0; n < 3000; n++) root = insert(root, random() % 10000);
            total += count(root) + sum(root);
        }
        System.out.println("trees " + total);
    }

    static void lists() {
        List<Shape> shapes = new ArrayList<>();
        for (int n = 0; n < 10; n++) shapes.add(n % 3 == 0 ? new Circle(n) : new Box(n, 10 - n));
        shapes.sort(Comparator.comparingDouble(Shape::area).reversed());
        System.out.println(shapes.get(0) + " " + shapes.get(9) + " " + new Box(1, 2).equals(new Box(1, 2)));
        Map<String, Integer> words = new HashMap<>();
        for (int n = 0; n < 30000; n++) words.merge(Integer.toString(random() % 700, 36), 1, Integer::sum);
        Map<Integer, List<String>> byCount = new TreeMap<>(Collections.reverseOrder());
        words.forEach((word, times) -> byCount.computeIfAbsent(times, key -> new ArrayList<>()).add(word));
        var most = byCount.entrySet().iterator().next();
        Collections.sort(most.getValue());
        System.out.println(words.size() + " words, most often " + most);
        PriorityQueue<Long> queue = new PriorityQueue<>(List.of(1L));
        ArrayDeque<Long> smooth = new ArrayDeque<>();
        while (smooth.size() < 300) {
            long next = queue.poll();
            if (!smooth.isEmpty() && smooth.getLast() == next) continue;
            smooth.add(next);
            for (long factor : new long[] {2, 3, 5}) queue.add(next * factor);
        }
        System.out.println("smooth " + smooth.getLast() + " of " + queue.size());
        System.out.println(IntStream.rangeClosed(1, 20).filter(n -> n % 3 != 0).mapToObj(n -> "" + n * n).collect(Collectors.joining(",", "[", "]")));
        int[][] grid = new int[50][70];
        for (int[] row : grid) Arrays.setAll(row, n -> random() & 15);
        System.out.println("grid " + Arrays.stream(grid).mapToLong(row -> Arrays.stream(row).sum()).sum());
    }

    static class Closing implements AutoCloseable {
        public void close() { closed++; if (closed % 4 == 0) throw new IllegalStateException("while closing"); }
    }
    static int closed;

    static String failing(int kind) {
        try (Closing closing = new Closing()) {
            Object text = "text";
            switch (kind) {
                case 0: return ((Object) null).toString();
                case 1: return "" + (Integer) text;
                case 2: return "" + ((List<?>) text).size();
                case 3: { int[][] grid = new int[2][kind]; return "" + grid[1][kind]; }
                case 4: return "" + Integer.parseInt("four");
                case 5: { Object[] objects = new String[1]; return "" + List.of(objects[0] = text, 1).get(kind); }
                case 6: return "" + new ArrayList<>(List.of(1, 2)).iterator().next() + new ArrayDeque<>().pop();
                case 7: return List.of(1).iterator().next() + text.toString().substring(kind);
                case 8: throw new RuntimeException("outer", new Exception("inner"));
                case 9: return deep(0);
                default: return "fine";
            }
        } catch (NullPointerException | ClassCastException e) {
            return "null or cast";
        } catch (IndexOutOfBoundsException e) {
            return "index";
        } catch (RuntimeException e) {
            return e.getClass().getSimpleName() + (e.getCause() == null ? "" : " by " + e.getCause().getMessage()) + " " + e.getSuppressed().length;
        } finally {
            closed += 10;
        }
    }
    static String deep(int depth) { if (depth == 500) throw new IllegalStateException("deep"); return deep(depth + 1) + depth; }

    static void exceptions() {
        for (int kind = 0; kind < 11; kind++) System.out.print(failing(kind) + (kind < 10 ? "; " : "\n"));
        int caught = 0;
        for (int n = 0; n < 20000; n++) {
            try { if (n % 3 == 0) throw new IllegalArgumentException("number " + n); } catch (IllegalArgumentException e) { caught += e.getMessage().length(); }
        }
        System.out.println("closed " + closed + " caught " + caught);
    }

    static void text() {
        StringBuilder builder = new StringBuilder();
        for (int n = 0; n < 20000; n++) builder.append((char) ('a' + random() % 26)).append(n % 11 == 0 ? " " : "");
        Map<Integer, Integer> lengths = new LinkedHashMap<>();
        for (String word : builder.toString().split(" ")) lengths.merge(word.length(), 1, Integer::sum);
        System.out.println(builder.toString().hashCode() + " " + lengths + " " + builder.reverse().substring(0, 20).toUpperCase());
        System.out.println(1.0 / 3 + " " + (float) 0.1 + " " + Long.MIN_VALUE + " " + Long.toHexString(-5L) + " " + Math.sqrt(2) + " " + (int) Double.NaN + " " + (char) 65 + " " + (byte) 200);
        IntUnaryOperator collatz = n -> { int steps = 0; for (long at = n; at != 1; steps++) at = at % 2 == 0 ? at / 2 : 3 * at + 1; return steps; };
        System.out.println("longest " + IntStream.range(1, 20000).boxed().max(Comparator.comparingInt(collatz::applyAsInt)).get());
    }

    @Export(name = "run")
    public static void run() {
        trees();
        lists();
        exceptions();
        text();
    }

    public static void main(String[] arguments) { run(); }
}
