// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! References and what they point to: typed function references, objects and their fields, casts, lists, arrays.
//!
//! A module with objects has a recursive group of OBJECTS types: a hierarchy of structs, arrays, and a struct that may
//! have what is not null; sometimes the group is there twice, so that types are equal that have different numbers.
//! Function types come after it.

use super::*;

/// A value type: the code of a number, a vector or an abstract reference, or DEFINED and an index. References are
/// nullable unless NON_NULL is set.
pub type Type = u16;
const DEFINED: Type = 0x100;
const NON_NULL: Type = 0x1000;
const FUNC: Type = 0x70;
const EXTERN: Type = 0x6F;
const ANY: Type = 0x6E;
const EQ: Type = 0x6D;
const I31: Type = 0x6C;
const STRUCT: Type = 0x6B;
const ARRAY: Type = 0x6A;
pub const EXN: Type = 0x69;
const I8: Type = 0x78; // storage types
const I16: Type = 0x77;

const OBJECTS: usize = 8;
const BASE: usize = 0; // 0 to 3: structs, each below an earlier one
const BYTES: usize = 4; // 4 to 6: arrays
const REFERENCES: usize = 6;
const RECORD: usize = 7; // a struct of its own
const SUPERS: [Option<usize>; 4] = [None, Some(0), Some(1), Some(0)];

const GC: u8 = 0xFB;
const REF_NULL: u8 = 0xD0;
const REF_IS_NULL: u8 = 0xD1;
const REF_FUNC: u8 = 0xD2;
const REF_EQ: u8 = 0xD3;
const REF_AS_NON_NULL: u8 = 0xD4;
const BR_ON_NULL: u8 = 0xD5;
const BR_ON_NON_NULL: u8 = 0xD6;
const CALL_REF: u8 = 0x14;
const RETURN_CALL_REF: u8 = 0x15;

pub fn is_reference(of: Type) -> bool {
    of < I16 || of >= DEFINED
}

fn write_heap_type(of: Type, out: &mut Vec<u8>) {
    match of & !NON_NULL {
        index if index >= DEFINED => write_signed_leb(i64::from(index - DEFINED), out),
        code => out.push(code as u8),
    }
}

pub fn write_type(of: Type, out: &mut Vec<u8>) {
    if of >= DEFINED {
        out.push(if of & NON_NULL != 0 { 0x64 } else { 0x63 });
    }
    write_heap_type(of, out);
}

pub fn write_null(of: Type, out: &mut Vec<u8>) {
    out.push(REF_NULL);
    write_heap_type(of, out);
}

#[derive(Clone, Copy)]
struct Field {
    of: Type,
    is_mutable: bool,
}

struct Object {
    fields: Vec<Field>, // of an array: its element
    is_final: bool,
}

pub struct ObjectTypes {
    objects: Vec<Object>,
    copies: usize, // of the group
}

impl ObjectTypes {
    pub fn draw(random: &mut Random, proposals: Proposals) -> Option<ObjectTypes> {
        if !proposals.has(super::GC) {
            return None;
        }
        let mut storage = vec![I8, I16, I32, I64, F32, F64, ANY, EQ, I31, STRUCT, ARRAY, FUNC, EXTERN];
        storage.extend((0..OBJECTS).map(|object| DEFINED + object as Type));
        if proposals.has(SIMD) {
            storage.push(V128);
        }
        let mut objects: Vec<Object> = Vec::new();
        for object in 0..OBJECTS {
            let mut fields = match SUPERS.get(object) {
                Some(&Some(above)) => objects[above].fields.clone(),
                Some(None) => vec![Field { of: I32, is_mutable: true }],
                None => Vec::new(),
            };
            for _ in 0..random.below(4) {
                fields.push(Field { of: random.pick(&storage), is_mutable: !random.one_in(4) });
            }
            if (BYTES..RECORD).contains(&object) {
                let of = match object {
                    BYTES => random.pick(&[I8, I16]),
                    REFERENCES => random.pick(&storage[6..6 + 15]),
                    _ => random.pick(&[I32, I64, F32, F64, storage[storage.len() - 1]]),
                };
                fields = vec![Field { of, is_mutable: true }];
            }
            if object == RECORD && random.one_in(2) {
                fields.push(Field { of: NON_NULL | (DEFINED + BASE as Type), is_mutable: random.one_in(2) });
            }
            objects.push(Object { fields, is_final: object == 2 || object == RECORD && random.one_in(2) });
        }
        Some(ObjectTypes { objects, copies: random.pick(&[1, 1, 2]) })
    }

    /// How many type indices they take.
    fn count(&self) -> usize {
        OBJECTS * self.copies
    }

    /// How many entries of the type section.
    pub fn groups(&self) -> usize {
        self.copies
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        for copy in 0..self.copies {
            out.extend([0x4E, OBJECTS as u8]);
            for (index, object) in self.objects.iter().enumerate() {
                out.push(if object.is_final { 0x4F } else { 0x50 });
                match SUPERS.get(index) {
                    Some(&Some(above)) => out.extend([1, (above + OBJECTS * copy) as u8]),
                    _ => out.push(0),
                }
                let is_array = (BYTES..RECORD).contains(&index);
                out.push(if is_array { 0x5E } else { 0x5F });
                if !is_array {
                    write_leb(object.fields.len() as u32, out);
                }
                for field in &object.fields {
                    let within = field.of >= DEFINED;
                    write_type(field.of + if within { (OBJECTS * copy) as Type } else { 0 }, out);
                    out.push(u8::from(field.is_mutable));
                }
            }
        }
    }
}

/// What references locals, parameters and results may have, drawn often as there are entries.
pub fn value_types(random: &mut Random, plan: &Plan) -> Vec<Type> {
    let mut out = Vec::new();
    if plan.proposals.has(FUNCTION_REFERENCES) {
        let of_type = random.below(plan.types.len() as u64) as usize;
        let typed = DEFINED + plan.type_index(of_type) as Type;
        out.extend([FUNC, typed, random.pick(&[typed, typed | NON_NULL])]);
    }
    if let Some(objects) = &plan.objects {
        let index = |random: &mut Random| DEFINED + random.below(objects.count() as u64) as Type;
        out.extend([ANY, random.pick(&[EQ, I31, STRUCT, ARRAY, EXTERN]), DEFINED + BASE as Type]);
        out.extend([index(random), index(random), index(random) | NON_NULL]);
    }
    if plan.proposals.has(EXCEPTIONS) && !plan.proposals.has(LEGACY_EXCEPTIONS) {
        out.push(EXN);
    }
    out
}

impl Plan {
    pub fn type_index(&self, of_type: usize) -> usize {
        of_type + self.objects.as_ref().map_or(0, ObjectTypes::count)
    }
}

pub fn non_null(of: Type) -> Type {
    of | NON_NULL
}

pub fn names_no_type(of: &FuncType) -> bool {
    of.params.iter().chain(&of.results).all(|&of| of < DEFINED)
}

pub fn can_be_local(of: Type) -> bool {
    of & NON_NULL == 0
}

/// Types are written in order, so one may name itself and those before it.
pub fn only_earlier_types(plan: &mut Plan) {
    for of_type in 0..plan.types.len() {
        let last = DEFINED + plan.type_index(of_type) as Type;
        let own = &mut plan.types[of_type];
        for of in own.params.iter_mut().chain(&mut own.results) {
            if *of >= DEFINED && *of & !NON_NULL > last {
                *of = FUNC;
            }
        }
    }
}

impl Body<'_> {
    fn objects(&self) -> &ObjectTypes {
        self.plan.objects.as_ref().unwrap()
    }

    fn field(&self, object: usize, field: usize) -> Field {
        self.objects().objects[object].fields[field]
    }

    fn gc(&mut self, op: u8) {
        self.out.extend([GC, op]);
    }

    /// An instruction that names the object's type, by any of its indices.
    fn gc_object(&mut self, op: u8, object: usize) {
        self.gc(op);
        let copy = self.random.below(self.objects().copies as u64) as usize;
        write_leb((object + OBJECTS * copy) as u32, &mut self.out);
    }

    fn null(&mut self, of: Type) {
        write_null(of, &mut self.out);
    }

    // ---- Expressions ------------------------------------------------------------------------------------------------

    /// A reference of the type or of one below it.
    pub fn reference(&mut self, of: Type, depth: usize) {
        let nullable = of & !NON_NULL;
        match (self.local(nullable), self.random.below(6)) {
            (Some(local), 0..=2) => {
                self.indexed(LOCAL_GET, local);
                if of != nullable {
                    self.or_new(of, depth);
                }
            }
            (_, 3) if of == nullable && self.global(of).is_some() => {
                let global = self.global(of).unwrap();
                self.indexed(GLOBAL_GET, global);
            }
            (_, 4) if of == nullable && self.random.one_in(2) => self.null(of),
            (_, 5) if self.plan.objects.is_some() && depth > 0 => self.reference_field(of, depth - 1),
            _ => self.new_reference(of, depth),
        }
    }

    /// What stands on the stack, or something new when that is null; sometimes a trap.
    fn or_new(&mut self, of: Type, depth: usize) {
        if self.random.one_in(6) {
            return self.op(REF_AS_NON_NULL);
        }
        let old = self.hidden_local(of & !NON_NULL);
        self.indexed(LOCAL_TEE, old);
        self.op(REF_IS_NULL);
        self.op(IF);
        write_type(of, &mut self.out);
        self.labels.push(false);
        self.new_reference(of, depth.min(1));
        self.op(ELSE);
        self.indexed(LOCAL_GET, old);
        self.op(REF_AS_NON_NULL);
        self.op(END);
        self.labels.pop();
    }

    /// Out of an object, where one has such a field.
    fn reference_field(&mut self, of: Type, depth: usize) {
        if !self.read_field(of, depth) {
            self.new_reference(of, depth);
        }
    }

    fn new_reference(&mut self, of: Type, depth: usize) {
        let nullable = of & !NON_NULL;
        let object_count = self.plan.objects.as_ref().map_or(0, ObjectTypes::count);
        match nullable {
            FUNC => {
                let func = self.random.below(self.plan.funcs.len() as u64) as u32;
                self.indexed(REF_FUNC, func);
            }
            EXTERN if self.plan.objects.is_some() => {
                self.reference(ANY | of & NON_NULL, depth.saturating_sub(1));
                self.gc(27);
            }
            ANY | EQ => match self.random.below(8) {
                0..=2 => self.new_reference(I31, depth),
                3 if nullable == ANY => {
                    self.reference(EXTERN | of & NON_NULL, depth.saturating_sub(1));
                    self.gc(26);
                }
                _ => {
                    let object = self.random.below(OBJECTS as u64) as usize;
                    self.new_object(object, depth);
                }
            },
            I31 => {
                self.expr(I32, depth.min(1));
                self.gc(28);
            }
            STRUCT => {
                let object = self.random.pick(&[0, 1, 2, 3, RECORD]);
                self.new_object(object, depth);
            }
            ARRAY => {
                let object = self.random.pick(&[BYTES, BYTES + 1, REFERENCES]);
                self.new_object(object, depth);
            }
            EXTERN | EXN => {
                self.null(of);
                if of != nullable {
                    self.op(REF_AS_NON_NULL);
                }
            }
            defined if usize::from(defined - DEFINED) < object_count => {
                let object = usize::from(defined - DEFINED) % OBJECTS;
                let below: Vec<usize> =
                    (0..4).filter(|&other| other == object || object == 0 || object == 1 && other == 2).collect();
                let object = if object < 4 { self.random.pick(&below) } else { object };
                self.new_object(object, depth);
            }
            typed => self.function_reference(usize::from(typed - DEFINED), of),
        }
    }

    /// To a function of the type, where there is one.
    fn function_reference(&mut self, type_index: usize, of: Type) {
        let found = (0..self.plan.funcs.len()).find(|&func| self.plan.type_index(self.plan.funcs[func]) == type_index);
        match found {
            Some(func) => self.indexed(REF_FUNC, func as u32),
            None => {
                self.null(of);
                if of & NON_NULL != 0 {
                    self.op(REF_AS_NON_NULL);
                }
            }
        }
    }

    /// What a field is made of.
    fn field_value(&mut self, of: Type, depth: usize) {
        let of = if of == I8 || of == I16 { I32 } else { of };
        self.expr(of, depth);
        self.canonical(of);
    }

    fn length(&mut self) {
        self.leaf(I32);
        self.i32_const(7);
        self.op(I32_AND);
    }

    fn new_object(&mut self, object: usize, depth: usize) {
        let fields = self.objects().objects[object].fields.clone();
        let has_defaults = fields.iter().all(|field| field.of & NON_NULL == 0);
        let is_deep = depth == 0 || self.random.one_in(5);
        if (BYTES..RECORD).contains(&object) {
            return self.new_array(object, fields[0].of, if is_deep { 0 } else { depth });
        }
        if has_defaults && is_deep {
            return self.gc_object(1, object);
        }
        for field in &fields {
            let can_be_null = is_reference(field.of) && field.of & NON_NULL == 0;
            if can_be_null && depth == 0 {
                self.null(field.of); // or there might be no end
            } else {
                self.field_value(field.of, depth.saturating_sub(1).min(1));
            }
        }
        self.gc_object(0, object);
    }

    fn new_array(&mut self, object: usize, of: Type, depth: usize) {
        match self.random.below(4) {
            0 if depth > 0 => {
                self.field_value(of, depth.min(1));
                self.length();
                self.gc_object(6, object);
            }
            1 if depth > 0 => {
                let count = self.random.below(4) as u32;
                (0..count).for_each(|_| self.field_value(of, depth.min(1) - 1));
                self.gc_object(8, object);
                write_leb(count, &mut self.out);
            }
            2 if object != REFERENCES && of != EXTERN && !is_reference(of) => {
                self.i32_const(8);
                self.length();
                self.gc_object(9, object);
                write_leb(memory::PASSIVE_SEGMENT, &mut self.out);
            }
            _ => {
                self.length();
                self.gc_object(7, object);
            }
        }
    }

    /// An object of the type, seldom null.
    fn object(&mut self, object: usize, depth: usize) {
        let copy = self.random.below(self.objects().copies as u64) as usize;
        self.reference((DEFINED + (object + OBJECTS * copy) as Type) | NON_NULL, depth);
    }

    /// Reads a field or an element of the type; false when there is none.
    fn read_field(&mut self, of: Type, depth: usize) -> bool {
        let fits = |field: &Field| field.of == of || of == I32 && (field.of == I8 || field.of == I16);
        let mut places = Vec::new();
        for (index, object) in self.objects().objects.iter().enumerate() {
            places.extend((0..object.fields.len()).filter(|&i| fits(&object.fields[i])).map(|i| (index, i)));
        }
        if places.is_empty() {
            return false;
        }
        let (object, field) = self.random.pick(&places);
        self.object(object, depth);
        let storage = self.field(object, field).of;
        let get = if storage == I8 || storage == I16 { self.random.pick(&[1, 2]) } else { 0 };
        if (BYTES..RECORD).contains(&object) {
            self.length();
            self.gc_object(11 + get, object);
        } else {
            self.gc_object(2 + get, object);
            write_leb(field as u32, &mut self.out);
        }
        true
    }

    /// A number or vector that an object holds.
    pub fn field_expr(&mut self, of: Type, depth: usize) {
        match self.random.below(6) {
            0 if of == I32 => self.reference_test(depth),
            1 if of == I32 => {
                let object = self.random.pick(&[BYTES, BYTES + 1, REFERENCES]);
                self.object(object, depth);
                self.gc(15);
            }
            2 if of == I32 => {
                self.reference(I31 | NON_NULL, depth);
                let op = self.random.pick(&[29, 30]);
                self.gc(op);
            }
            _ if self.read_field(of, depth) => (),
            _ => self.leaf(of),
        }
    }

    /// What can be asked of references, as an i32.
    pub fn reference_test(&mut self, depth: usize) {
        let has_objects = self.plan.objects.is_some();
        match self.random.below(4) {
            0 | 1 if has_objects => {
                self.reference(ANY, depth.min(2));
                let is_null = self.random.below(2) as u8;
                self.gc(20 + is_null);
                let target = self.cast_target();
                write_heap_type(target, &mut self.out);
            }
            2 if has_objects => {
                self.reference(EQ, depth.min(1));
                self.reference(EQ, depth.min(1));
                self.op(REF_EQ);
            }
            _ => {
                let of = if has_objects { self.random.pick(&[ANY, FUNC, DEFINED]) } else { FUNC };
                self.reference(of, depth.min(1));
                self.op(REF_IS_NULL);
            }
        }
    }

    /// What `any` is cast to.
    fn cast_target(&mut self) -> Type {
        let index = self.random.below(self.objects().count() as u64) as Type;
        self.random.pick(&[DEFINED + index, DEFINED + index, DEFINED + index, EQ, I31, STRUCT, ARRAY])
    }

    // ---- Statements -------------------------------------------------------------------------------------------------

    /// Locals that are null become something.
    pub fn fill_references(&mut self, param_count: usize) {
        for local in param_count..self.locals.len() {
            let of = self.locals[local];
            if is_reference(of) && !self.random.one_in(4) {
                self.new_reference(of, 2);
                self.indexed(LOCAL_SET, local as u32);
            }
        }
    }

    /// From the stack.
    pub fn take_one(&mut self, of: Type) {
        match (self.local(of & !NON_NULL), self.random.one_in(3)) {
            (Some(local), false) => self.indexed(LOCAL_SET, local),
            _ => self.op(DROP),
        }
    }

    pub fn object_statement(&mut self) {
        match self.random.below(8) {
            0 => self.cast_statement(),
            1 | 2 => self.cast_branch(),
            3 => self.array_loop(),
            4 => self.list(),
            5 => self.array_bulk(),
            _ => self.write_field(),
        }
    }

    fn write_field(&mut self) {
        let object = self.random.below(OBJECTS as u64) as usize;
        let fields = self.objects().objects[object].fields.clone();
        let mutable: Vec<usize> = (0..fields.len()).filter(|&field| fields[field].is_mutable).collect();
        if mutable.is_empty() {
            return;
        }
        let field = self.random.pick(&mutable);
        self.object(object, 1);
        if (BYTES..RECORD).contains(&object) {
            self.length();
            self.field_value(fields[0].of, 2);
            return self.gc_object(14, object);
        }
        self.field_value(fields[field].of, 2);
        self.gc_object(5, object);
        write_leb(field as u32, &mut self.out);
    }

    fn cast_statement(&mut self) {
        let target = self.cast_target();
        let is_null = self.random.one_in(2);
        self.reference(ANY, 2);
        self.gc(if is_null { 23 } else { 22 });
        write_heap_type(target, &mut self.out);
        self.take_one(target);
    }

    fn br_on_cast(&mut self, op: u8, label: u32, target: Type) {
        self.gc(op);
        self.op(if target & NON_NULL == 0 { 3 } else { 1 });
        write_leb(label, &mut self.out);
        write_heap_type(ANY, &mut self.out);
        write_heap_type(target, &mut self.out);
    }

    /// A chain of casts that branch: to where the value has the type, or to where it does not.
    fn cast_branch(&mut self) {
        let target = self.cast_target() | self.random.pick(&[0, NON_NULL]);
        let is_fail = self.random.one_in(2);
        self.out.extend([BLOCK, NO_RESULT]);
        self.labels.push(true);
        self.op(BLOCK);
        write_type(if is_fail { ANY } else { target }, &mut self.out);
        self.labels.push(false);
        self.reference(ANY, 2);
        self.br_on_cast(if is_fail { 25 } else { 24 }, 0, target);
        if is_fail {
            self.take_one(target);
        } else {
            self.op(DROP);
        }
        self.statements(2);
        self.indexed(BR, 1);
        self.op(END);
        self.labels.pop();
        self.take_one(if is_fail { ANY } else { target });
        self.op(END);
        self.labels.pop();
    }

    /// For each element: reads it, writes it.
    fn array_loop(&mut self) {
        let object = self.random.pick(&[BYTES, BYTES + 1, REFERENCES]);
        let of = self.field(object, 0).of;
        let array = self.hidden_local(DEFINED + object as Type);
        let counter = self.hidden_local(I32);
        self.object(object, 2);
        self.indexed(LOCAL_SET, array);
        self.out.extend([BLOCK, NO_RESULT, LOOP, NO_RESULT]);
        self.labels.extend([false, false]);
        self.use_fuel();
        self.indexed(LOCAL_GET, counter);
        self.indexed(LOCAL_GET, array);
        self.gc(15);
        self.op(0x4F); // i32.ge_u
        self.indexed(BR_IF, 1);
        self.indexed(LOCAL_GET, array);
        self.indexed(LOCAL_GET, counter);
        if self.random.one_in(2) {
            self.field_value(of, 1);
            self.gc_object(14, object);
        } else {
            let is_packed = of == I8 || of == I16;
            self.gc_object(if is_packed { 12 } else { 11 }, object);
            self.take_one(if is_packed { I32 } else { of });
        }
        self.indexed(LOCAL_GET, counter);
        self.i32_const(1);
        self.op(I32_ADD);
        self.indexed(LOCAL_SET, counter);
        self.indexed(BR, 0);
        self.out.extend([END, END]);
        self.labels.truncate(self.labels.len() - 2);
    }

    /// A list of arrays or structs in front of each other, in `any`.
    fn list(&mut self) {
        let Some(local) = self.local(ANY) else { return };
        let counter = self.hidden_local(I32);
        let length = self.random.pick(&[1, 3, 30]);
        self.i32_const(length);
        self.indexed(LOCAL_SET, counter);
        self.out.extend([LOOP, NO_RESULT]);
        self.labels.push(false);
        self.use_fuel();
        let object = self.random.below(OBJECTS as u64) as usize;
        self.new_object(object, 2); // which finds the local for its own fields
        self.indexed(LOCAL_SET, local);
        self.indexed(LOCAL_GET, counter);
        self.i32_const(1);
        self.op(I32_SUB);
        self.indexed(LOCAL_TEE, counter);
        self.indexed(BR_IF, 0);
        self.op(END);
        self.labels.pop();
    }

    fn array_bulk(&mut self) {
        let object = self.random.pick(&[BYTES, BYTES + 1, REFERENCES]);
        let of = self.field(object, 0).of;
        self.object(object, 1);
        self.length();
        match self.random.below(3) {
            0 => {
                self.field_value(of, 2);
                self.length();
                self.gc_object(16, object);
            }
            1 if !is_reference(of) => {
                self.i32_const(3);
                self.length();
                self.gc_object(18, object);
                write_leb(memory::PASSIVE_SEGMENT, &mut self.out);
            }
            _ => {
                self.object(object, 1);
                self.length();
                self.length();
                self.gc_object(17, object);
                write_leb(object as u32, &mut self.out);
            }
        }
    }

    pub fn reference_statement(&mut self) {
        let of_type = self.random.below(self.plan.types.len() as u64) as usize;
        let of = DEFINED + self.plan.type_index(of_type) as Type;
        match self.random.below(4) {
            0 => {
                self.out.extend([BLOCK, NO_RESULT]);
                self.labels.push(true);
                self.reference(of, 1);
                self.indexed(BR_ON_NULL, 0);
                self.take_one(of);
                self.statements(2);
                self.op(END);
                self.labels.pop();
            }
            1 => {
                self.op(BLOCK);
                write_type(of | NON_NULL, &mut self.out);
                self.labels.push(false);
                self.reference(of, 1);
                self.indexed(BR_ON_NON_NULL, 0);
                self.statements(2);
                self.new_reference(of | NON_NULL, 1);
                self.op(END);
                self.labels.pop();
                self.take_one(of);
            }
            _ => {
                self.args(of_type, 2);
                self.reference(of | NON_NULL, 1);
                self.indexed(CALL_REF, u32::from(of - DEFINED));
                self.take(&self.plan.types[of_type].results);
            }
        }
    }

    pub fn tail_call_reference(&mut self, callee: usize) {
        let of_type = self.plan.funcs[callee];
        self.args(of_type, 2);
        self.indexed(REF_FUNC, callee as u32);
        let index = self.plan.type_index(of_type) as u32;
        self.indexed(RETURN_CALL_REF, index);
    }
}
