// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Makes objects, keeps some, drops most: trees, text, collections, closures, exceptions, a generator. Prints the same
// every time: work.expected. The garbage is a few hundred MB, what lives at once a few MB.

class Tree(val left: Tree?, val right: Tree?) {
    fun count(): Int = 1 + (left?.count() ?: 0) + (right?.count() ?: 0)
}

fun tree(depth: Int): Tree = if (depth == 0) Tree(null, null) else Tree(tree(depth - 1), tree(depth - 1))

fun trees(deepest: Int) {
    val kept = tree(deepest)
    for (depth in 4..deepest step 4) {
        val times = 1 shl (deepest - depth + 4)
        var sum = 0
        repeat(times) { sum += tree(depth).count() }
        println("$times trees of depth $depth have $sum nodes")
    }
    println("the tree that was kept has ${kept.count()}")
}

// A ring of objects that know each other, dropped again and again: only a collector that follows references frees it.
class Link(val payload: LongArray) {
    lateinit var next: Link
}

fun rings(): Long {
    var sum = 0L
    repeat(400) { round ->
        val first = Link(LongArray(64) { it.toLong() })
        var last = first
        repeat(50) { n -> last = Link(LongArray(64) { (n * round).toLong() }).also { last.next = it } }
        last.next = first
        var at = first
        do { sum += at.payload[63]; at = at.next } while (at !== first)
    }
    return sum
}

sealed interface Shape { val area: Double }
data class Circle(val radius: Double) : Shape { override val area get() = 3.0 * radius * radius }
data class Box(val width: Double, val height: Double) : Shape { override val area get() = width * height }
object Nothing_at_all : Shape { override val area = 0.0; override fun toString() = "nothing" }

fun describe(shape: Any): String = when (shape) {
    is Circle -> "circle ${shape.radius}"
    is Box -> if (shape.width == shape.height) "square" else "box ${shape.width} x ${shape.height}"
    is String -> "text of ${shape.length}"
    is Int, is Long -> "number $shape"
    is List<*> -> shape.map { it?.let(::describe) ?: "null" }.toString()
    is Array<*> -> "array of ${shape.size}"
    is Function<*> -> "function"
    else -> shape.toString()
}

class Refused(val what: String, cause: Throwable? = null) : Exception("refused $what", cause)

fun risky(n: Int): Int = try {
    when {
        n % 5 == 0 -> throw Refused("five")
        n % 7 == 0 -> throw IllegalArgumentException("seven")
        n % 11 == 0 -> "eleven".toInt()
        n % 13 == 0 -> (null as String?)!!.length
        n % 17 == 0 -> (("cast" as Any) as Int)
        n % 19 == 0 -> listOf(1, 2, 3)[n]
        n % 23 == 0 -> throw Refused("outer", Refused("inner"))
        else -> n
    }
} catch (refused: Refused) {
    -(refused.cause?.message ?: refused.what).length
} catch (number: NumberFormatException) {
    -100
} catch (any: RuntimeException) {
    -1000
} finally {
    finished++
}

var finished = 0

fun numbers() = sequence {
    var pair = 0L to 1L
    while (true) {
        yield(pair.first)
        pair = pair.second to pair.first + pair.second
    }
}

fun interpret(source: String): Long {
    val stack = ArrayDeque<Long>()
    val operations = mapOf<String, (Long, Long) -> Long>("+" to Long::plus, "-" to Long::minus, "*" to Long::times, "max" to ::maxOf)
    for (word in source.split(' ')) {
        val operation = operations[word]
        if (operation == null) stack.addLast(word.toLong()) else {
            val right = stack.removeLast()
            stack.addLast(operation(stack.removeLast(), right))
        }
    }
    return stack.single()
}

fun main() {
    trees(12)
    println("rings ${rings()}")
    println(listOf(Circle(2.0), Box(3.0, 3.0), Box(1.0, 2.5), Nothing_at_all, "text", 7, 8L, arrayOf(1, 2), ::main, listOf(null, 'c')).map(::describe))
    println(listOf(Circle(1.0), Box(2.0, 2.0), Nothing_at_all).sortedByDescending { it.area }.joinToString(" > "))
    println((1..2000).sumOf { risky(it) }.toString() + " after $finished")
    println(numbers().takeWhile { it < 1_000_000_000_000L }.filter { it % 2 == 0L }.toList())

    val words = HashMap<String, Int>()
    var state = 1
    repeat(60_000) {
        state = state * 1103515245 + 12345
        words.merge((state ushr 16 and 0x3ff).toString(36)) { it + 1 }
    }
    println("${words.size} words, ${words.values.max()} of the commonest, ${words.keys.sorted().take(6)}")

    val text = StringBuilder()
    for (n in 1..20_000) text.append(n.toString(16)).append(if (n % 20 == 0) '\n' else ' ')
    val lines = text.lines().map { it.trim().split(' ').reversed().joinToString("") }
    println("${text.length} characters, hash ${lines.fold(7) { hash, line -> hash * 31 + line.hashCode() }}")

    val sieve = BooleanArray(200_000) { it > 1 }
    for (n in 2..447) if (sieve[n]) for (multiple in n * n until sieve.size step n) sieve[multiple] = false
    println("${sieve.count { it }} primes")
    println("${interpret("2 3 + 4 * 7 max 100 -")} ${Long.MAX_VALUE.toULong() * 2UL} ${1.0 / 3} ${0.1f + 0.2f} ${Double.NaN} ${"%".repeat(3)} \u00fc\u20ac\ud83d\ude00".trim())
    println((1..5).map { n -> { m: Int -> n * m } }.map { it(10) })
    println((1..50_000).groupBy { it % 10 }.mapValues { (_, all) -> all.asSequence().map { it.toLong() * it }.sum() }.toList().sortedBy { it.first }.last())
}

fun HashMap<String, Int>.merge(key: String, change: (Int) -> Int) { this[key] = change(this[key] ?: 0) }
